"""FeatureScale: min-max and standard scaling."""
