"""Emulation of aarch64 machines, as far as it can be seen without one."""

from __future__ import annotations

import codecs
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from picluster.errors import MissingError
from picluster.lab.machine import base, emulation
from picluster.lab.machine.base import BaseKind

EMULATED = BaseKind(release="bookworm", fresh=True, emulated=True)
OWN = BaseKind(release="bookworm", fresh=True, emulated=False)
# Class, byte order, version, system, padding; then type (2: executable, 3: shared) and machine (183: aarch64).
HEADER = b"\x7fELF\x02\x01\x01%s\0\0\0\0\0\0\0\0%s\0%s\0"


@pytest.mark.parametrize(
    ("system", "kind", "machine", "taken"),
    [
        (b"\0", b"\x02", b"\xb7", True),
        (b"\x03", b"\x03", b"\xb7", True),
        (b"\0", b"\x01", b"\xb7", False),
        (b"\0", b"\x02", b"\x3e", False),
    ],
    ids=["executable", "of Linux, position-independent", "object file", "x86"],
)
def test_qemu_is_started_for_aarch64_programs_and_for_nothing_else(
    system: bytes, kind: bytes, machine: bytes, taken: bool
) -> None:
    magic, mask = (codecs.escape_decode(text)[0] for text in (emulation._MAGIC, emulation._MASK))
    header = HEADER % (system, kind, machine)
    assert len(magic) == len(mask) == len(header) == 20
    assert all(a & b == c & b for a, b, c in zip(header, mask, magic, strict=True)) is taken


def test_every_way_into_a_node_says_which_processor_qemu_is_to_be() -> None:
    for file in ("etc/environment", "etc/systemd/system.conf.d/picluster-lab.conf"):
        assert "QEMU_CPU=cortex-a72" in EMULATED.files[file]
    assert 'env_keep += "QEMU_CPU"' in EMULATED.files["etc/sudoers.d/020_picluster-lab"]
    assert not set(emulation.FILES) & set(OWN.files)


@pytest.mark.parametrize(
    ("version", "releases", "told"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2)\nCopyright", ["bookworm", "trixie"], "the systemd of trixie"),
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2)\nCopyright", ["bookworm"], ""),
        ("qemu-aarch64 version 10.0.2 (Debian 1:10.0.2)\nCopyright", ["trixie"], ""),
        ("no version at all", ["trixie"], ""),
    ],
)
def test_a_qemu_under_which_a_release_does_not_start_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, version: str, releases: list[str], told: str
) -> None:
    monkeypatch.setattr(emulation, "run", lambda _: version)
    with pytest.raises(MissingError, match=told) if told else nullcontext():
        emulation.check_emulator(releases)


def test_the_processor_that_is_shown_has_no_atomics() -> None:
    shown = EMULATED.files["usr/share/picluster-lab/cpuinfo"]
    assert shown.count("processor\t: ") == 4
    assert "Features\t: fp asimd" in shown
    assert "atomics" not in shown


def test_a_new_base_takes_the_place_of_those_of_its_own_kind_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "CACHE", tmp_path)
    others = [
        base.base_folder(kind) for kind in (OWN, replace(EMULATED, fresh=False), replace(EMULATED, release="trixie"))
    ]
    new = base.base_folder(EMULATED)
    old = new.with_name(new.name.rpartition("-")[0] + "-0ld")
    for folder in (*others, new, old):
        folder.mkdir()
    base._forget_others(new)
    assert set(tmp_path.iterdir()) == {new, *others}


def test_qemu_stays_known_to_the_kernel_as_long_as_a_lab_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulation, "STATE", tmp_path / "labs")
    monkeypatch.setattr(emulation, "BINFMT", tmp_path / "binfmt")
    for name, spec in {"a": '{"emulated": true}', "b": '{"name": "made before"}', "c": "half written"}.items():
        (tmp_path / "labs" / name).mkdir(parents=True)
        (tmp_path / "labs" / name / "lab.json").write_text(spec)
    (tmp_path / "binfmt").mkdir()
    assert not emulation.end_emulation_without_labs()
    assert (tmp_path / "binfmt").exists()
    (tmp_path / "labs/a/lab.json").unlink()
    assert emulation.end_emulation_without_labs()
    assert not (tmp_path / "binfmt").exists()
    assert not emulation.end_emulation_without_labs()
