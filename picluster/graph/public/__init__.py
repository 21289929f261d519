"""Public data sets, from their raw files to graph folders."""
