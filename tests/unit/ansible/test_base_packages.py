"""Packages that came with us are known, whatever happens in between; others are never taken for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

MODULE = Path(__file__).parents[3] / "ansible/library/base_packages.py"
SIMULATION = """\
Reading package lists...
The following additional packages will be installed:
  libpopt0
Inst libc6 [2.36-9] (2.36-10 Debian:12.1/stable [arm64])
Inst libpopt0 (1.19+dfsg-1 Debian:12.0/stable [arm64])
Inst rsync:arm64 (3.2.7-1 Debian:12.0/stable [arm64])
Conf libpopt0 (1.19+dfsg-1 Debian:12.0/stable [arm64])
"""
REFUSAL = """\
dpkg: dependency problems prevent removal of libpopt0:arm64:
 popular depends on libpopt0 (>= 1.14).

dpkg: error processing package libpopt0:arm64 (--purge):
 dependency problems - not removing
Errors were encountered while processing:
 libpopt0:arm64
"""


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("base_packages", MODULE)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Debian:
    """apt and dpkg, as far as the module asks them."""

    def __init__(self, installed: set[str], new: set[str], *, dies: bool = False) -> None:
        self.installed = installed
        self._new = new
        self._dies = dies
        self.record_meanwhile: set[str] = set()

    def command(self, module: ModuleType, record: Path, *words: str) -> str:
        """In place of the module's."""
        if words[0] == "dpkg-query":
            return "".join(f"{name} installed\n" for name in self.installed)
        if "--simulate" in words and "--fix-broken" not in words:
            return "".join(f"Inst {name} (1 Debian [arm64])\n" for name in self._new)
        if words[0] == "apt-get" and "install" in words and not {"--fix-broken", "--simulate"} & set(words):
            self.record_meanwhile = set(record.read_text().split())
            if self._dies:
                self.installed |= set(sorted(self._new)[:1])
                raise module.Failed("the power went")
            self.installed |= self._new
        return ""


def installing(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, file: Path, debian: Debian, names: list[str]
) -> list[str]:
    monkeypatch.setattr(module, "command", lambda *words: debian.command(module, file, *words))
    monkeypatch.setattr(module, "wait_for_locks", lambda _seconds: None)
    new: list[str] = module.install(names, module.Record(file), proxy="", lock_seconds=1, attempts=1)
    return new


def test_a_package_is_missing_where_none_of_its_kind_is_installed(module: ModuleType) -> None:
    statuses = {"rsync": "unpacked", "ntpsec": "installed", "openssl": "config-files"}
    wanted = ["rsync", "chrony | ntpsec", "openssl | libressl", "nftables"]
    assert module.missing(wanted, statuses) == ["rsync", "openssl", "nftables"]


def test_an_upgrade_is_no_newcomer(module: ModuleType) -> None:
    assert module.newcomers(SIMULATION) == {"libpopt0", "rsync"}


def test_packages_that_others_need_are_read_from_the_refusal(module: ModuleType) -> None:
    assert module.kept_by_others(REFUSAL) == {"libpopt0"}


def test_the_words_that_say_what_is_wrong_are_told(module: ModuleType) -> None:
    said = "Reading\nErr:1 http://x InRelease\n  Could not resolve\nE: Unable to fetch\n"
    assert module.gist(said) == "Err:1 http://x InRelease; E: Unable to fetch"
    assert module.gist("a\nb\n") == "b"
    assert module.gist("") == ""


def test_the_record_holds_what_is_new_already_while_apt_works(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "state/packages"
    debian = Debian({"bash"}, {"rsync", "libpopt0"})
    assert installing(module, monkeypatch, file, debian, ["rsync"]) == ["libpopt0", "rsync"]
    assert debian.record_meanwhile == {"rsync", "libpopt0"}
    assert file.read_text() == "libpopt0\nrsync\n"


def test_what_a_failure_left_out_is_not_recorded(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "packages"
    file.write_text("nftables\n")
    debian = Debian({"bash", "nftables"}, {"rsync", "libpopt0"}, dies=True)
    with pytest.raises(module.Failed, match="power"):
        installing(module, monkeypatch, file, debian, ["rsync"])
    assert file.read_text() == "libpopt0\nnftables\n"


def test_a_package_that_was_there_before_is_never_recorded(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "packages"
    debian = Debian({"bash", "libpopt0"}, {"rsync", "libpopt0"})
    installing(module, monkeypatch, file, debian, ["rsync"])
    assert file.read_text() == "rsync\n"


def test_locks_are_waited_for_and_their_holder_is_named(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    monkeypatch.setattr(module, "LOCKS", (lock, tmp_path / "absent"))
    module.wait_for_locks(0)
    monkeypatch.setattr(module, "_is_held", lambda _lock: True)
    monkeypatch.setattr(module, "_holder", lambda _lock: "process 7 (unattended-upgr)")
    with pytest.raises(module.Failed, match=r"lock is held for more than 0 s by process 7 \(unattended-upgr\)"):
        module.wait_for_locks(0)
