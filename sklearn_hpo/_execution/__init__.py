"""How jobs reach workers, and what becomes of those that die."""
