"""DataStatistics: figures of each column."""
