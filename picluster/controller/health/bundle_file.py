"""Bundles as files: written whole, read by whoever gets them, and never in the place of another file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from picluster.controller.record.record_files import check_output, write_record
from picluster.errors import InputError
from picluster.refusals import refuse
from picluster.schema.bundle import BUNDLE_KIND, Bundle
from picluster.schema.record import decode, from_json


class _Kind(msgspec.Struct):
    """Part of a bundle that can be read whatever its version is."""

    kind: str = ""


def check_bundle_file(file: Path) -> None:
    """Raise InputError where a bundle cannot be written to a file, or would take the place of something else."""
    check_output(file, "--bundle", (".json",), "bundle")
    if file.exists() and not _is_bundle(file):
        raise InputError(f"{file} is there already, and is no bundle", fix="name another file with --bundle")


def write_bundle(file: Path, bundle: Bundle) -> None:
    """Write a bundle as a readable page of JSON."""
    check_bundle_file(file)
    write_record(file, bundle)


def read_bundle(file: Path) -> Bundle:
    """Read a bundle. InputError where the file is none, or is not there."""
    fix = "one is written by: picluster probe --bundle shelf.json"
    if not file.is_file():
        raise InputError(f"there is no file {file}", fix=fix)
    try:
        text = file.read_bytes()
    except OSError as error:
        refuse("read", file, error)
    return from_json(Bundle, text, source=str(file), fix=fix)


def _is_bundle(file: Path) -> bool:
    try:
        return bool(decode(file.read_bytes(), _Kind).kind == BUNDLE_KIND)
    except (OSError, msgspec.DecodeError):
        return False
