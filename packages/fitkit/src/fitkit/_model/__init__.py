"""What every routine needs of a model."""
