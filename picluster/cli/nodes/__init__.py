"""Commands for nodes: their first boot, trust, provisioning, health, and virtual ones."""
