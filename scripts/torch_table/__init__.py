"""The table of docs/provision.md: which torch runs on which processor of a Pi, as far as an emulated one tells."""
