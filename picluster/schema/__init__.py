"""What crosses between processes or stays on disk: frozen, typed, versioned JSON."""
