"""HeteroLR: logistic regression over vertically split features."""
