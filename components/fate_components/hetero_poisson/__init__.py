"""Poisson regression over vertically split features."""
