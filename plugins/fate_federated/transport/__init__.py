"""How the tasks of one attempt reach each other."""
