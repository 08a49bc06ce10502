"""HeteroPearson: how columns of one or several parties go together."""
