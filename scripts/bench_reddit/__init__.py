"""The benchmark of docs/benchmarks.md: picluster beside what else trains GraphSAGE on a graph of Reddit's size."""
