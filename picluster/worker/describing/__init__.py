"""Model files described, and refused before anything starts where plans would differ: `picluster-worker describe`."""
