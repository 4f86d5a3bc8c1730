"""Tests of the report for the browser."""
