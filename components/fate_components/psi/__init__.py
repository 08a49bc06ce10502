"""PSI: how far the distribution of each feature moved."""
