"""Worked problems for the command line: each returns what it found, none prints."""
