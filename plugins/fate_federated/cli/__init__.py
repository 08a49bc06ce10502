"""The command ``fate``."""
