"""A site's one long-running service: it coordinates attempts, relays messages, and keeps what a job leaves."""
