"""The HistFactory model: what a user writes, its flat arrays, its rates, its likelihood."""
