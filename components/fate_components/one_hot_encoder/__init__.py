"""OneHotEncoder: a column for each value of a column."""
