"""Parts of torch and PyG that training never touches, loaded when something asks for them.

Rules for tensors without data and the export of programs are for compilers; others are for quantisation, distributions
and masked tensors. `import torch` loads all of them with all that they need, which takes 25 MiB of memory and a third
of the import's time; PyG loads the compiler itself and all its data sets. As lazy modules they cost nothing; whoever
takes an attribute of one gets it as it is.
"""

from __future__ import annotations

import importlib.machinery
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

PARTS = (
    "torch.export",
    "torch.distributions",
    "torch.nn.intrinsic",
    "torch.nn.qat",
    "torch.nn.quantizable",
    "torch.nn.quantized",
    "torch.quantization",
    "torch.masked",
    "torch._meta_registrations",
    "torch._dynamo",
    "torch_geometric.datasets",
)
"""In the order in which they are imported."""
_COMPILER = "torch._dynamo"
"""It expects torch's other parts to be there: its modules and theirs import each other."""
_RULES = "torch._meta_registrations"
_lock = threading.RLock()


def install() -> None:
    """Let these parts of torch be lazy in this process; without effect once torch is imported."""
    sys.meta_path.insert(0, _Finder())


class _LazyModule(ModuleType):
    """A module that is executed when the first of its attributes is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # those of every module are there; libraries ask all modules for others
            raise AttributeError(name)
        _load(self)
        return getattr(self, name)


class _Finder:
    """Finds the lazy parts as Python would, and leaves their execution for later."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, _: ModuleType | None = None) -> ModuleSpec | None:
        if parent := sys.modules.get(name.rpartition(".")[0]):
            _load(parent)
        spec = importlib.machinery.PathFinder.find_spec(name, path) if name in PARTS else None
        if spec and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _LazyLoader(spec.loader.name, spec.loader.path)
        return spec


class _LazyLoader(importlib.machinery.SourceFileLoader):
    """Makes a lazy module, and executes it only when that is asked again."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _LazyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if type(module) is not _LazyModule:
            super().exec_module(module)
        elif module.__name__ == _RULES:
            _bind_generator()


def _load(module: ModuleType) -> None:
    with _lock:
        if isinstance(module, _LazyModule):
            if module.__name__ == _COMPILER:
                for part in filter(None, map(sys.modules.get, PARTS[: PARTS.index(_COMPILER)])):
                    _load(part)
            module.__class__ = ModuleType  # type: ignore[assignment]
            assert module.__spec__
            assert module.__spec__.loader
            module.__spec__.loader.exec_module(module)


def _bind_generator() -> None:
    """Do what torch does only while it loads the rules: torch 2.13 refuses `torch.Generator()` without."""
    if bind := getattr(sys.modules["torch._C"], "_set_generator_metaclass", None):
        from torch._opaque_base import OpaqueBaseMeta

        bind(OpaqueBaseMeta)
