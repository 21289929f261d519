"""The terminal: options and their help, completion, mistyped lines, signals, streams."""
