"""The demo: real data, a real job, one site or three."""
