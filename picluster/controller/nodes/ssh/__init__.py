"""SSH connections: addresses, keys, known hosts, and what a failure means."""
