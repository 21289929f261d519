"""Settings of these tests."""

import torch

# As `launch` runs its workers: one thread also keeps small products from waiting for each other.
torch.set_num_threads(1)
