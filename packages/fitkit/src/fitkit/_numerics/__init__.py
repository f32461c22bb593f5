"""Mathematics without statistics."""
