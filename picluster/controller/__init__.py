"""The person's machine: inventory, planner, machines, launcher, run folder, report. Never imports torch."""
