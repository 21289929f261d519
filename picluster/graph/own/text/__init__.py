"""Text files: their characters, their dialect, their records."""
