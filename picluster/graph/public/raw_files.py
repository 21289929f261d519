"""Raw files of public data sets: from the input folder, else downloaded by the library that knows their addresses."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from picluster.errors import DataError
from picluster.graph.names import PARTIAL_MARK


@contextlib.contextmanager
def raw_files(
    name: str, folder: Path, files: Sequence[str], fetch: Callable[[Path], Path], graph: Path
) -> Iterator[Path]:
    """Yield the folder that holds `files`: `folder`, or one beside the graph folder `graph` that `fetch` filled.

    Fetched files are removed at the end. DataError names the missing files, why they were not fetched, and their place.
    """
    missing = [file for file in files if not (folder / file).is_file()]
    if not missing:
        yield folder
        return
    graph.parent.mkdir(parents=True, exist_ok=True)
    # Not in /tmp, which on many machines is memory. By the mark the next maker removes it where this process is killed.
    with tempfile.TemporaryDirectory(prefix=f"{graph.name}{PARTIAL_MARK}raw-", dir=graph.parent) as root:
        try:
            fetched = fetch(Path(root))
            _check_complete(fetched, files)
        except DataError as error:
            what = f"{folder.resolve()} lacks raw files of {name}, and {error.what}"
            raise DataError(what, fix=f"put {', '.join(missing)} into {folder.resolve()}") from None
        yield fetched


def _check_complete(fetched: Path, files: Sequence[str]) -> None:
    if absent := [file for file in files if not (fetched / file).is_file()]:
        raise DataError(f"their download did not bring {', '.join(absent)}")


def damaged(file: Path, how: str) -> DataError:
    """The error of a raw file that cannot be used."""
    fix = f"fetch {file.name} again, or move it away from {file.parent.resolve()} to have it downloaded"
    return DataError(f"{file} is damaged: {how}", fix=fix)


def run_download(code: str, *words: str, timeout_s: float, answer: str = "") -> None:
    """Run Python `code` with `words` as arguments and `answer` as standard input. DataError says why it failed.

    It runs in a process of its own, because the libraries' downloads take no timeout.
    """
    command = [sys.executable, "-c", code, *words]
    try:
        done = subprocess.run(command, input=answer, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(f"their download took more than {timeout_s:g} s") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"they could not be downloaded: {reason}")
