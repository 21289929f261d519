"""Graph folders: their format, and what makes them."""
