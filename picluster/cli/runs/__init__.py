"""Commands for runs: launch, attach, report, compare, export, list, stop."""
