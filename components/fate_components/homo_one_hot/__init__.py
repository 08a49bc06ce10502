"""HomoOneHotEncoder: the same columns of categories at all parties."""
