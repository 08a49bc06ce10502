"""What a component is, and what it is given when it runs."""
