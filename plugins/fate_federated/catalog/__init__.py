"""Which components there are, found by entry point."""
