"""What is read of a live cluster."""
