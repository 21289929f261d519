"""Reads what `torch.save` wrote, whatever it consists of, and runs nothing of it.

`weights_only=True` refuses classes that it does not know. Each gets a stand-in, which keeps what it is given: so a file
of any version of PyG is read without PyG, and an odd entry does not hide the tensors beside it.
"""

import contextlib
import importlib
import re
import shlex
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from picluster.errors import DataError, InputError, MissingError

_MOST_CLASSES = 500
_PACKAGES = ("numpy.core.multiarray", "numpy._core.multiarray")
"""Modules with numpy's makers of arrays, by numpy's version."""
_TENSORS = ("torch_geometric.edge_index.EdgeIndex", "torch_geometric.index.Index")
"""Tensors with knowledge of their own, beside the plain one that they hold as `_data`."""
_BATCH = "torch_geometric.data.batch.DynamicInheritanceGetter"
_FIX = "save tensors alone: torch.save({'x': x, 'edge_index': edge_index, 'y': y}, FILE)"


class StandIn:
    """An object of a class that is not known here."""

    path = ""
    """The module and name of its class."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Takes whatever arguments there are."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Keeps the fields that were saved."""
        self.state = state

    @property
    def fields(self) -> dict[str, Any]:
        """The values that the object held, by name."""
        state = getattr(self, "state", None)
        parts = state if isinstance(state, tuple) else (state,)
        return {str(name): value for part in parts if isinstance(part, dict) for name, value in part.items()}


class BatchStandIn(StandIn):
    """A batch of graphs, whose class PyG makes up when one is read."""

    path = "torch_geometric.data.batch.Batch"


class _BatchMaker(StandIn):
    def __new__(cls, *_: Any, **__: Any) -> Any:
        return BatchStandIn


def load(file: Path) -> Any:
    """Reads what the file holds: tensors, arrays, containers, and `StandIn`s.

    InputError where there is no such file; DataError where it cannot be read; MissingError without torch.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    if _is_numpy_archive(file):
        raise DataError(
            f"{file} is an archive of numpy arrays, not a file of torch.save", fix=f"--npz {shlex.quote(str(file))}"
        )
    try:
        with warnings.catch_warnings(action="ignore"):
            torch = importlib.import_module("torch")
    except ImportError as error:
        raise MissingError(f"reading {file} needs torch: {error}", fix="make setup") from None
    known = _known(torch)
    for _ in range(_MOST_CLASSES):
        try:
            with _only(torch, known):
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001 - a damaged or strange file may raise anything
            stranger = re.search(r"Unsupported global: GLOBAL (\S+) was", str(error))
            if not stranger:
                raise _unreadable(file, error) from None
            _add_strangers(torch, file, stranger[1], known)
    raise DataError(f"{file} cannot be read as a graph of tensors: it holds too many kinds of things", fix=_FIX)


@contextlib.contextmanager
def _only(torch: Any, known: dict[str, Any]) -> Iterator[None]:
    """Lets torch know these names and no others: where PyG is imported, it has named some of its own."""
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals([(stand_in, path) for path, stand_in in known.items()])
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def _add_strangers(torch: Any, file: Path, first: str, known: dict[str, Any]) -> None:
    """Stand-ins for all that the file names, or for the first where the file's form does not tell all."""
    try:
        strangers = set(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # noqa: BLE001 - only the newer form of the file can be looked through
        strangers = set()
    for path in (strangers | {first, f"builtins.{first}"}) - known.keys():  # torch leaves the name builtins out
        known[path] = type("StandIn", (StandIn,), {"path": path})


def _unreadable(file: Path, error: Exception) -> DataError:
    blocked = re.search(r"GLOBAL (\S+)", str(error))
    if blocked:
        why = f"it holds {blocked[1]}, which could run code"
    elif isinstance(error, OSError):
        why = error.strerror or str(error)
    else:
        why = "it is damaged, or was not written by torch.save"
    return DataError(f"{file} cannot be read as a graph of tensors: {why}", fix=_FIX)


def _is_numpy_archive(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def _known(torch: Any) -> dict[str, Any]:
    """The parts of numpy's own arrays, and what needs a stand-in of its own: nothing of it runs code."""
    makers = importlib.import_module("numpy._core.multiarray")
    known: dict[str, Any] = {
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "collections.defaultdict": lambda *_: {},
    }
    known |= {path: type("Tensor", (torch.Tensor,), {"__torch_dispatch__": _refuse}) for path in _TENSORS}
    known |= {_BATCH: _BatchMaker, BatchStandIn.path: BatchStandIn}
    for package in _PACKAGES:
        known |= {f"{package}.{name}": getattr(makers, name) for name in ("_reconstruct", "scalar")}
    known |= {f"numpy.dtypes.{name}": getattr(np.dtypes, name) for name in np.dtypes.__all__}
    return known


@classmethod  # type: ignore[misc]
def _refuse(cls: type, *_: Any, **__: Any) -> Any:
    """Torch asks of such a class that it can compute; nobody computes with a stand-in."""
    raise NotImplementedError
