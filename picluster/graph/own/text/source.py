"""The lines of a text file, plain or compressed by gzip. What cannot be text is refused in words."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from picluster.errors import DataError

_GZIP = b"\x1f\x8b"
_BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SAVE_AS_UTF8 = "save it as text in UTF-8 (in Excel: CSV UTF-8), or convert it with iconv -t UTF-8"


def is_gzip(file: Path) -> bool:
    """Whether a file's name says that gzip has compressed it."""
    return file.suffix.lower() == ".gz"


def read_lines(file: Path) -> Iterator[str]:
    """Every line with its end, without a byte order mark. DataError where the file is damaged or is no text."""
    try:
        with _open(file) as stream:
            for number, line in enumerate(stream, 1):
                if "\0" in line:
                    what = f"{file}, line {number} holds a NUL byte: this is no text"
                    raise DataError(what, fix="save it as text, or mend the line")
                yield line
    except UnicodeDecodeError:
        raise DataError(f"{file}, {_first_undecodable(file)}: this is not text in UTF-8", fix=_SAVE_AS_UTF8) from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}", fix="copy or save it again") from None


def check_text(file: Path) -> None:
    """DataError where the first bytes are not those of text in UTF-8."""
    with file.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(_GZIP) != is_gzip(file):
        if is_gzip(file):
            raise DataError(f"{file} is not compressed by gzip", fix=f"call it {file.with_suffix('').name}")
        raise DataError(f"{file} is compressed by gzip", fix=f"call it {file.name}.gz")
    for mark, name in _BOMS.items():
        if start.startswith(mark):
            raise DataError(f"{file} is text in {name}, not in UTF-8", fix=_SAVE_AS_UTF8)
    if start.startswith((b"PK\x03\x04", b"PAR1", b"\x93NUM", b"\xd0\xcf\x11\xe0", b"\x89HDF")):
        raise DataError(f"{file} is no text: it begins like another kind of file", fix="export it as CSV in UTF-8")


def _first_undecodable(file: Path) -> str:
    """The line and the byte: text is decoded ahead of the lines that are given."""
    with gzip.open(file) if is_gzip(file) else file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} has the byte 0x{line[error.start]:02x}"
    return "its end"


def _open(file: Path) -> TextIO:
    if is_gzip(file):
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")
