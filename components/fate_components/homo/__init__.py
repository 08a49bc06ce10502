"""What components over horizontally split rows share: who leads, and what all parties agree on before they train."""
