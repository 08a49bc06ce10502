"""HeteroDataSplit and HomoDataSplit: rows for training, validation and test."""
