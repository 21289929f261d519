"""Which releases nodes can have, and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.errors import InputError, MissingError
from picluster.lab.machine.release import Release, choose_mirror, find_release, read_release

BOOKWORM, TRIXIE = Release("debian", "bookworm"), Release("debian", "trixie")


def test_without_a_word_the_release_is_this_machines_own() -> None:
    assert read_release({"ID": "debian", "VERSION_CODENAME": "bookworm"}) == BOOKWORM
    assert read_release({"NAME": "Ubuntu", "ID": "ubuntu", "VERSION_CODENAME": "noble"}) == Release("ubuntu", "noble")
    with pytest.raises(MissingError, match="fedora"):
        read_release({"ID": "fedora", "VERSION_ID": "42"})
    with pytest.raises(MissingError, match="another system"):
        read_release({})


def test_debootstrap_tells_which_system_a_release_is_of(tmp_path: Path) -> None:
    for script, name in {"sid": "trixie", "gutsy": "noble", "amber": "byzantium"}.items():
        (tmp_path / script).touch()
        (tmp_path / name).symlink_to(script)
    assert find_release("trixie", tmp_path) == TRIXIE
    assert find_release("noble", tmp_path) == Release("ubuntu", "noble")
    for other in ("byzantium", "trixy"):
        with pytest.raises(InputError, match=f"--release {other}: .*debootstrap does not know"):
            find_release(other, tmp_path)


def test_the_archive_is_that_of_this_machines_apt_for_releases_of_its_system() -> None:
    indexes = (
        "Packages|nodistro|main|https://elsewhere.example\n"
        "Translations|bookworm|main|http://wrong.example\n"
        "Packages|bookworm|contrib|http://wrong.example\n"
        "Packages|bookworm|main|http://mirror.example/debian\n"
    )
    assert choose_mirror(BOOKWORM, BOOKWORM, indexes) == "http://mirror.example/debian"
    assert choose_mirror(TRIXIE, BOOKWORM, indexes) == "http://mirror.example/debian"
    assert (
        choose_mirror(TRIXIE, BOOKWORM, f"Packages|trixie|main|http://own.example\n{indexes}") == "http://own.example"
    )
    assert choose_mirror(Release("ubuntu", "noble"), BOOKWORM, indexes) is None
    assert choose_mirror(BOOKWORM, BOOKWORM, "Packages|bookworm|main|cdrom://x\n") is None
