"""HeteroFeatureSelection: columns that filters leave."""
