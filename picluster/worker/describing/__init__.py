"""What `picluster-worker describe` tells of a model file, and what it refuses before anything starts."""

from picluster.worker.describing.describe import describe

__all__ = ["describe"]
