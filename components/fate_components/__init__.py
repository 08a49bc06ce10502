"""The federated components that come with fate-federated."""
