"""The record of a run: its folder, reports and history read from it."""
