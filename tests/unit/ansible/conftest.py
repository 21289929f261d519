"""Settings of these tests."""

from contextlib import suppress

with suppress(ImportError):
    # Ansible's modules replace `sys.intern`, after which torch can no longer import its compiler, which PyG wants.
    import torch._dynamo  # noqa: F401
