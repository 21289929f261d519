"""Runs in one process: the real controller and roles over simulated machines, links, time and disks, with faults."""
