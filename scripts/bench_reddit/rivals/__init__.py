"""What others train with, each told by the same events as picluster's own workers."""
