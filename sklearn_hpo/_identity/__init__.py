"""What makes two values, fits and searches equal."""
