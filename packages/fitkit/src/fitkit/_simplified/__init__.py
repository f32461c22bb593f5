"""Simplified likelihoods: yields with moments in the place of nuisance parameters."""
