"""The tables of one's own graph: each file is opened, then all are understood together."""
