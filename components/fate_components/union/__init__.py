"""Union: the rows of several tables."""
