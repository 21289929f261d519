"""Kernel limits of a lab: control groups, namespaces, cables, locks, and the programs that set them."""
