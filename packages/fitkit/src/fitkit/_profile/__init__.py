"""What a fit says of one parameter or two, of the data, and of the yields."""
