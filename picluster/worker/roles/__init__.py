"""Roles: the sampler and the stages at work, epoch by epoch, and exact inference."""
