"""FeatureImputation: values for what is missing."""
