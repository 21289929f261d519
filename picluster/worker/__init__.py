"""What runs on a Pi."""
