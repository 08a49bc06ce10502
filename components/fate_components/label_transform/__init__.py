"""LabelTransform: other labels for the classes."""
