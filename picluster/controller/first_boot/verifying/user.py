"""The account that a card's `user-data` makes: who gets in, by which keys, and whether SSH listens at all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from picluster.controller.first_boot.reading import is_public_key
from picluster.controller.first_boot.verifying.findings import Fact, Finding, Mistake
from picluster.controller.first_boot.verifying.partition import BootPartition

AGAIN = "picluster init --force, and copy the card's files again"
_DEFAULTS = {"Raspberry Pi OS": "pi", "Ubuntu": "ubuntu"}


def judge_user(user_data: Mapping[str, Any], partition: BootPartition) -> Iterator[Finding]:
    """Judge the accounts that can be entered, the first one's sudo, and SSH."""
    accounts = list(_accounts(user_data, _DEFAULTS.get(partition.system or "", "the system's first account")))
    if not accounts:
        yield Mistake("user-data makes no account", AGAIN)
    entered = False
    for name, account in accounts:
        keys = [*_keys(account.get("ssh_authorized_keys"))]
        good = [key for key in keys if is_public_key(key)]
        entered = entered or bool(good)
        for key in keys:
            if key not in good:
                yield Mistake(
                    f"a key of {name} is no SSH public key: {_shown(key)}", "put the one line of a .pub file there"
                )
        opened = f"opened by {' and '.join(map(_described, good))}" if good else "opened by no key"
        yield Fact("user", f"{name}, {opened}{'' if _has_no_password(account) else ', and by a password'}")
        yield Fact("sudo", _sudo(name, account, user_data))
    if accounts and not entered:
        yield Mistake(f"no key opens {accounts[0][0]}: nobody gets in over SSH", f"ssh_authorized_keys; {AGAIN}")
    yield from _judge_ssh(user_data, partition)


def _accounts(user_data: Mapping[str, Any], default: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Accounts by name; keys that stand at the top belong to the system's first account."""
    first = user_data.get("user")
    users = user_data.get("users")
    listed = users if isinstance(users, list) else ["default"] if users is None else [users]
    top = [*_keys(user_data.get("ssh_authorized_keys"))]
    if first or "default" in listed:
        own = first if isinstance(first, dict) else {"name": first} if isinstance(first, str) else {}
        yield (
            str(own.get("name", default)),
            {**own, "ssh_authorized_keys": [*_keys(own.get("ssh_authorized_keys")), *top]},
        )
    for user in listed:
        if isinstance(user, dict) and user.get("name"):
            yield str(user["name"]), user
        elif isinstance(user, str) and user != "default":
            yield user, {}


def _keys(given: object) -> Iterator[str]:
    if isinstance(given, str):
        yield given
    elif isinstance(given, list):
        yield from map(str, given)


def _described(key: str) -> str:
    """Kind, comment and fingerprint of a key, as ssh-keygen shows them."""
    kind, blob, *comment = key.split(None, 2)
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")
    return f"the key {' '.join([*comment, f'({kind}, SHA256:{digest})'])}"


def _shown(key: str) -> str:
    return "a private key" if "PRIVATE KEY" in key else repr(key[:20])


def _has_no_password(account: Mapping[str, Any]) -> bool:
    given = any(account.get(name) for name in ("passwd", "hashed_passwd", "plain_text_passwd"))
    return not given or account.get("lock_passwd", True) is True


def _sudo(name: str, account: Mapping[str, Any], user_data: Mapping[str, Any]) -> str:
    rules = str(account.get("sudo", "")) + str(user_data.get("write_files", "")) + str(user_data.get("runcmd", ""))
    if "NOPASSWD" in rules:
        return f"{name} without a password"
    return f"{name} may be asked for a password: make provision ASK_BECOME=1"


def _judge_ssh(user_data: Mapping[str, Any], partition: BootPartition) -> Iterator[Finding]:
    by_command = "ssh" in str(user_data.get("runcmd", ""))
    if partition.system != "Ubuntu" and not by_command and not {"ssh", "ssh.txt"} & partition.names:
        yield Mistake(
            "nothing starts SSH, which Raspberry Pi OS leaves off", "an empty file called ssh beside user-data does"
        )
        return
    passwords = user_data.get("ssh_pwauth") in (True, "true", "yes", "True")
    yield Fact("ssh", "listens, and takes passwords too" if passwords else "listens, and takes keys only")
