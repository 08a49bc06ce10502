"""HeteroFeatureBinning: bins of columns, with weight of evidence and information value."""
