"""HomoLR: logistic regression over horizontally split rows."""
