"""What components over horizontally split rows share: who leads, what all parties agree on, and common quantiles."""
