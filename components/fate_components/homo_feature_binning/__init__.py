"""HomoFeatureBinning: bins whose borders are those of all parties' rows together."""
