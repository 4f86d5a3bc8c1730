"""Every figure of the package on real data, to be looked at: ``python -m tests.real.figures OUT [SUBJECT ...]``.

What is drawn takes minutes to compute and is kept in ``OUT/data``, a file for each subject: a second call draws again
in seconds. Remove a file to have it computed anew.
"""
