"""The sockets engine: messages over plain TCP, between workers that have proven that they know the run's token."""
