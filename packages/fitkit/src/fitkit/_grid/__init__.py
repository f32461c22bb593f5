"""Many signal points or values of the parameter of interest at once."""
