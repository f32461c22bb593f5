"""Test statistics, their asymptotic distributions, tests and limits."""
