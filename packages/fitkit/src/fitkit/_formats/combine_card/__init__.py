"""Datacards of CMS Combine: read, edited as they say, made a model."""
