"""Neighbour sampling, and the blocks that it gives to the stages."""
