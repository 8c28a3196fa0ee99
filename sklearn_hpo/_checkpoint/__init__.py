"""The file that a search can go on from."""
