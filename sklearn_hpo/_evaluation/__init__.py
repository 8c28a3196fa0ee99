"""What happens to one candidate on one fold."""
