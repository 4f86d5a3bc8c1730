"""Standing tests of skill: what a fit is worth on glaciers and years that it has not seen.

``python -m tests.real.skill`` prints the tables of docs/skill.md.
"""
