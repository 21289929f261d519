"""Messages between roles: their form, the links that carry them, and sums over replicas."""
