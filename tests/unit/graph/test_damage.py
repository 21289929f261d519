"""Files that a library fails to read: damaged ones, and whole ones that the system refuses."""

import errno
from pathlib import Path

import pytest

from picluster.errors import DataError
from picluster.graph.damage import damage_told


def test_whatever_a_library_raises_names_the_file_and_how_it_is_made_again() -> None:
    with pytest.raises(DataError) as raised, damage_told(Path("x.npy"), fix="make it again"):
        raise SyntaxError("invalid syntax")
    assert (raised.value.what, raised.value.fix) == ("x.npy cannot be read: invalid syntax", "make it again")


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.EACCES, "ask its owner for the right to read it"), (errno.EMFILE, "allow more open files: ulimit -n 4096")],
)
def test_a_file_that_the_system_refuses_is_not_to_be_made_again(tmp_path: Path, number: int, fix: str) -> None:
    file = tmp_path / "x.npy"
    with pytest.raises(DataError) as raised, damage_told(file, fix="make it again"):
        raise OSError(number, "No", str(file))
    assert (raised.value.what, raised.value.fix) == (f"cannot read {file}: No", fix)
