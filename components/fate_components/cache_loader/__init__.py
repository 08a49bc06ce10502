"""CacheLoader: what a component of an earlier job kept."""
