"""The HistFactory model: what a user writes, its arrays, rates and likelihood."""
