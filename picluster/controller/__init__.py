"""The person's machine: inventory, planner, transports, launcher, run folder, report. Never imports torch."""
