"""Files that a library fails to read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from picluster.errors import DataError, PiclusterError
from picluster.refusals import refusal, words


@contextmanager
def damage_told(file: Path, *, fix: str) -> Iterator[None]:
    """Raise DataError in place of whatever a library raises: reading a damaged file may end in any exception.

    The system may refuse a file that is whole, for want of rights or of room for open files: then `fix` would not help.
    """
    try:
        yield
    except PiclusterError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile, zlib, numpy's header, pyarrow: each has some of its own
        if isinstance(error, OSError) and refusal(error):
            what, fix = words("read", file, error)
            raise DataError(what, fix=fix) from None
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read: {why}", fix=fix) from None
