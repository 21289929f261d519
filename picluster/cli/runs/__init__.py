"""Commands for runs: launch, report, compare, export, list, stop."""
