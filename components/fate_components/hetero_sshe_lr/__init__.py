"""HeteroSSHELR: logistic regression over vertically split features, on shares and without an arbiter."""
