"""Generated graphs: Reddit's shape at any scale."""
