"""Records that cross between processes or stay on disk: frozen, typed, versioned JSON."""
