"""Intersection: the rows that all parties have, found without showing the others."""
