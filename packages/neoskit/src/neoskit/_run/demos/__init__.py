"""Worked problems for the command line: each returns its result, none prints."""
