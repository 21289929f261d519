"""Bundles as files take the place of bundles alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.controller.health.bundle_file import read_bundle, write_bundle
from picluster.errors import InputError
from tests.unit.controller.health.bundles import a_bundle


def test_a_bundle_is_read_as_it_was_written_and_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "shelf.json"
    for _ in range(2):
        write_bundle(file, a_bundle())
    assert read_bundle(file) == a_bundle()
    assert list(tmp_path.iterdir()) == [file]
    assert len(file.read_text().splitlines()) > 100


@pytest.mark.parametrize("content", ["", "{}", '{"kind": "diary"}', "[1]", "\xff"])
def test_another_file_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "shelf.json"
    file.write_text(content, encoding="latin-1")
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"shelf\.json is there already, and is no bundle"):
        write_bundle(file, a_bundle())
    assert file.read_bytes() == before
    with pytest.raises(InputError) as refused:
        read_bundle(file)
    assert "shelf.json is not a valid bundle" in str(refused.value)
    assert refused.value.fix


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_bundle(tmp_path / "none.json")
