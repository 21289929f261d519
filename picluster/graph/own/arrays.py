"""Arrays of `.npy` files and `.npz` archives."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picluster.errors import DataError, InputError


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Every array of an `.npz` archive by its name, or the one of an `.npy` file.

    InputError where it is not there; DataError where it cannot be read.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    try:
        if file.suffix.lower() == ".npy":
            return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False)}
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} cannot be read: {error}", fix="save it with numpy.save or numpy.savez") from None
