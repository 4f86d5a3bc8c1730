"""Runs on the 100 m grid."""
