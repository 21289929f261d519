"""The mpi engine: messages over Open MPI, without SSH between nodes."""
