"""SampleWeight: how much each row counts."""
