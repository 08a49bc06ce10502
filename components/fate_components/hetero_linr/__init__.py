"""Linear regression over vertically split features."""
