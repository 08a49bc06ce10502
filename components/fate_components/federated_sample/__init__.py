"""FederatedSample: fewer rows, or rows several times, the same at every party."""
