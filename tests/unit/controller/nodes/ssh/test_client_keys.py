"""Private keys as ssh-keygen writes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import paramiko
import pytest

from picluster.controller.nodes.ssh.client_keys import private_key
from picluster.controller.nodes.ssh.failures import UNREADABLE
from tests.integration.sshd import NEEDS_SSHD

pytestmark = NEEDS_SSHD


def make(file: Path, kind: str, comment: str = "", passphrase: str = "") -> Path:
    words = ["-t", kind, "-b", "2048"] if kind == "rsa" else ["-t", kind]
    subprocess.run(["ssh-keygen", "-q", *words, "-N", passphrase, "-C", comment, "-f", file], check=True, timeout=240)  # noqa: S607
    return file


@pytest.mark.parametrize("comment", ["", "a", "me@büro-ü", "雪"])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_of_any_kind_is_read_whatever_its_comment(tmp_path: Path, kind: str, comment: str) -> None:
    """paramiko by itself fails at more than half of the ECDSA keys that have no comment."""
    for number in range(4 if kind == "ecdsa" else 1):
        file = make(tmp_path / f"key {number}", kind, comment)
        key = private_key(file)
        assert key.get_base64() == file.with_suffix(".pub").read_text().split()[1]
        signature = key.sign_ssh_data(b"data")
        public = paramiko.PKey.from_type_string(key.get_name(), key.asbytes())
        assert public.verify_ssh_sig(b"data", paramiko.Message(signature.asbytes()))


def test_a_locked_key_is_told_from_one_that_is_broken(tmp_path: Path) -> None:
    locked = make(tmp_path / "locked", "ed25519", passphrase="x" * 8)
    with pytest.raises((paramiko.PasswordRequiredException, TypeError)):
        private_key(locked)
    (tmp_path / "broken").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90aGluZw==\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    with pytest.raises(UNREADABLE):
        private_key(tmp_path / "broken")
