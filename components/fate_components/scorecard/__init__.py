"""Scorecard: a credit score of a probability."""
