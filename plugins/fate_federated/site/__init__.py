"""A site's folder: making it, starting and stopping its processes, filling its storage."""
