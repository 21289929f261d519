"""Facts of the machine that a lab stands on, and refusals there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from picluster.errors import MissingError
from picluster.lab.build import mounted_below
from picluster.lab.kernel import commands
from picluster.lab.kernel.commands import check_programs, check_root, run
from picluster.lab.machine.environment import SharedEnvironment


def test_every_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands._ENVIRONMENT, "PATH", "")
    with pytest.raises(MissingError, match=r"sudo apt install apt debootstrap iproute2 .*systemd-container"):
        check_programs()
    with pytest.raises(MissingError, match=r"sudo apt install .*qemu-user-static"):
        check_programs(emulated=True)


def test_without_root_the_fix_is_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingError, match="needs root") as refused:
        check_root("up")
    assert refused.value.fix.startswith("sudo ")


def test_a_program_that_fails_hangs_or_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"ls /not-there failed: .*No such file"):
        run(["ls", "/not-there"])
    with pytest.raises(MissingError, match="sleep 9 did not end in"):
        run(["sleep", "9"], timeout_seconds=0.1)
    with pytest.raises(MissingError, match="is not installed"):
        run(["picluster-no-such-program"])
    with pytest.raises(MissingError, match=r"see .*log"):
        run(["ls", "/not-there"], log=tmp_path / "log")


def test_packages_of_another_python_are_refused_with_the_fix() -> None:
    environment = SharedEnvironment(Path("/packages"), Path("/picluster"), "3.13")
    environment.check_version("3.13")
    with pytest.raises(MissingError, match=r"3\.11.*3\.13") as refused:
        environment.check_version("3.11")
    assert "make setup PYTHON=/usr/bin/python3.11" in refused.value.fix


def test_the_innermost_mount_comes_off_first() -> None:
    mounts = (
        "/dev/sda / ext4 rw 0 0\n"
        "/dev/loop0 /lab/one/disk ext4 rw 0 0\n"
        "x /lab/one/root overlay rw 0 0\n"
        "x /lab/one/root/a\\040b tmpfs rw 0 0\n"
        "x /lab/oneself tmpfs rw 0 0\n"
    )
    found = mounted_below(mounts, Path("/lab/one"))
    assert found == [Path("/lab/one/root/a b"), Path("/lab/one/root"), Path("/lab/one/disk")]
