"""Cards and inventory of a shelf of Pis, written together or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from picluster.controller.first_boot.card import as_yaml, card
from picluster.errors import InputError
from picluster.project import HOSTS
from picluster.refusals import refuse
from picluster.schema.cluster_file import ClusterFile

CARDS = Path("cards")

_HOSTS = """\
---
# Written by picluster init; it is yours now. What else can be said of a host: inventory/example.yml.
picluster:
  hosts:
{hosts}
  vars:
    ansible_user: {user}
{key}"""


def write_all(cluster: ClusterFile, public_key: str, *, force: bool) -> None:
    """Write `cards/` and `inventory/hosts.yml` of this folder; InputError where they may not be replaced.

    DataError where the disk does not allow it; then all is as it was.
    """
    there = [str(path) for path in (HOSTS, CARDS) if path.exists()]
    if there and not force:
        raise InputError(
            f"{' and '.join(there)} would be overwritten", fix="--force does; keep a copy of what you need"
        )
    try:
        HOSTS.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".cards-", dir=".", ignore_cleanup_errors=True) as name:
            staged = Path(name)
            (staged / "new").mkdir(mode=0o700)  # the key of a Wi-Fi may be in it
            for node in cluster.nodes:
                (staged / "new" / node).mkdir()
                for file, text in card(cluster, node, public_key).items():
                    (staged / "new" / node / file).write_text(text, encoding="utf-8")
            hosts = HOSTS.with_name(f".{HOSTS.name}.{os.getpid()}")
            hosts.write_text(inventory(cluster), encoding="utf-8")
            _put_in_place(hosts, staged)
    except OSError as error:
        refuse("write", Path(error.filename or CARDS), error)


def _put_in_place(hosts: Path, staged: Path) -> None:
    """Rename the inventory and the cards into place; where the second fails, the first is renamed back."""
    with ExitStack() as back:
        back.callback(hosts.unlink, missing_ok=True)
        if CARDS.exists():
            CARDS.replace(staged / "old")
            back.callback((staged / "old").replace, CARDS)
        (staged / "new").replace(CARDS)
        back.callback(shutil.rmtree, CARDS)
        hosts.replace(HOSTS)
        back.pop_all()


def inventory(cluster: ClusterFile) -> str:
    """Write the text of `inventory/hosts.yml`."""
    hosts = [f"    {name}:\n      ansible_host: {cluster.address(name) or f'{name}.local'}" for name in cluster.nodes]
    private = cluster.key.removesuffix(".pub")
    file = Path(private).expanduser()
    # A key with a path of its own: another one means something else in another folder. The agent may have it as well.
    has_private = private != cluster.key and file.is_absolute() and file.is_file()
    key = f"    {as_yaml({'ansible_ssh_private_key_file': private})}" if has_private else ""
    return _HOSTS.format(hosts="\n".join(hosts), user=cluster.user, key=key)
