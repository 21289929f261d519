"""Settings of these tests."""

import torch
from hypothesis import settings

# A busy machine is no failure: pytest's own timeout bounds a test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# As `launch` runs its workers: one thread also keeps small products from waiting for each other.
torch.set_num_threads(1)
