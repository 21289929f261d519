"""Graph folders that pre-training reads and makes."""
