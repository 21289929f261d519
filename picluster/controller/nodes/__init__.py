"""Nodes: the inventory, local and remote machines, their addresses, and what is shipped to them."""
