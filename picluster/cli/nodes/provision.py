"""`picluster provision` and `picluster reset`: nodes are made ready, or as they were."""

from __future__ import annotations

import getpass
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import plain
from picluster.cli.terminal import options
from picluster.cli.terminal.asking import agrees
from picluster.errors import InputError, RunFailed
from picluster.wording import counted

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from picluster.controller.nodes.inventory import RemoteNode
    from picluster.controller.provision.playbook import Playbook
    from picluster.schema.health import Health
    from picluster.schema.provision import NodeState, Provisioned

PROVISION_EXAMPLES = """Examples:

picluster provision                      all nodes of inventory/hosts.yml
picluster provision --limit pi5          a new one; the others are told of it
picluster provision --check              what would be changed
picluster provision --tags firewall      one role again"""
RESET_EXAMPLES = """Examples:

picluster reset --limit pi5              take picluster off a node
picluster reset --delete-data            of all nodes, and the graphs that are kept there"""

Limit = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="Ansible's pattern of nodes: pi5, or 'all:!pi3'. (default: all)")
]
Check = Annotated[bool, typer.Option("--check", help="Change nothing; say what would be changed.")]
Tags = Annotated[str | None, typer.Option(metavar="ROLES", help="Only these roles, such as network,firewall.")]
AskPassword = Annotated[bool, typer.Option("--ask-become-pass", "-K", help="Ask for sudo's password on the nodes.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DeleteData = Annotated[
    bool | None,
    typer.Option("--delete-data/--keep-data", help="Delete or keep the graphs on the nodes. (default: ask, else keep)"),
]


def provision(
    *,
    inventory: options.InventoryFile = None,
    limit: Limit = None,
    check: Check = False,
    tags: Tags = None,
    ask_become_pass: AskPassword = False,
    as_json: AsJson = False,
) -> None:
    """Make freshly flashed Pis ready to train. Does again only what is not as it should be. Exit code 5: one is not."""
    from picluster.controller.provision.playbook import Playbook, check_tags
    from picluster.controller.provision.wheel_set import torch_of_pis

    if tags is not None:
        check_tags(tags)
    path, members, chosen, is_node = _choose(inventory, limit)
    password = getpass.getpass("sudo's password on the nodes: ") if ask_become_pass else None
    with _apt_port() as port:
        book = Playbook(
            name="site.yml",
            inventory=path,
            chosen=[node.name for node in chosen],
            members=[node.name for node in members],
            tags=tags,
            is_check=check,
            apt_port=port,
            become_password=password,
            variables={"picluster_torch_version": torch_of_pis(), "picluster_controller_is_node": is_node},
        )
        done = _run(book, good="done" if check or tags else "ready", as_json=as_json)
    if done.is_good and not check and not tags:
        done = _examined(done, chosen, as_json=as_json)
    _end(done, as_json=as_json)


def reset(
    *,
    inventory: options.InventoryFile = None,
    limit: Limit = None,
    delete_data: DeleteData = None,
    yes: Yes = False,
    ask_become_pass: AskPassword = False,
    as_json: AsJson = False,
) -> None:
    """Take from nodes what `provision` has put there. What others installed stays; data, unless you say otherwise."""
    from picluster.controller.provision.playbook import Playbook

    path, members, chosen, _ = _choose(inventory, limit)
    names = ", ".join(node.name for node in chosen)
    if not yes and not _agrees(f"take picluster off {plain(names)}?"):
        raise typer.Exit
    if delete_data is None:
        delete_data = not yes and _agrees("delete the graphs that are kept there, too?")
    password = getpass.getpass("sudo's password on the nodes: ") if ask_become_pass else None
    book = Playbook(
        name="reset.yml",
        inventory=path,
        chosen=[node.name for node in chosen],
        members=[node.name for node in members],
        become_password=password,
        variables={"reset_data": delete_data},
    )
    _end(_run(book, good="done", as_json=as_json), as_json=as_json)


def _choose(inventory: Path | None, limit: str | None) -> tuple[Path, list[RemoteNode], list[RemoteNode], bool]:
    """The inventory, its machines, the chosen ones, and True where this machine is a node as well."""
    from picluster.controller.nodes.inventory import default_inventory, read_inventory, remote_nodes
    from picluster.controller.provision.playbook import hosts_of
    from picluster.project import find

    path = inventory or default_inventory()
    nodes = read_inventory(path)
    members = remote_nodes(nodes)
    if not members:
        raise InputError(
            f"inventory {path} names no machine but this one", fix=f"write your own: see {find('docs/inventory.md')}"
        )
    print(f"inventory  {path}: {counted(len(members), 'node')}", file=sys.stderr)
    chosen = members
    if limit is not None:
        wanted = hosts_of(path, limit, [node.name for node in members])
        chosen = [node for node in members if node.name in wanted]
    return path, members, chosen, len(members) < len(nodes)


def _apt_port() -> AbstractContextManager[int | None]:
    """Port of the cache for apt, where this machine has one."""
    from picluster.controller.provision import apt_cache

    if apt_cache.is_there():
        return apt_cache.apt_cache()
    told = "packages   nodes fetch Debian's by themselves; sudo apt install apt-cacher-ng lets this machine do it once"
    print(told, file=sys.stderr)
    return nullcontext()


def _run(book: Playbook, *, good: NodeState, as_json: bool) -> Provisioned:
    """Run a playbook and show its progress."""
    import time

    from picluster.cli.show.provision_view import watched
    from picluster.controller.provision.progress import Progress
    from picluster.schema.provision import Provisioned

    progress, began = Progress.of(book.chosen), time.monotonic()
    with watched(progress, quiet=as_json) as hear:
        trouble = book.run(hear)
    if trouble:
        raise RunFailed(f"Ansible could not run {book.name}: {trouble}", fix="see ansible-inventory and the versions")
    outcomes = progress.outcomes(good)
    return Provisioned(
        nodes=outcomes,
        notes=tuple(progress.notes),
        seconds=round(time.monotonic() - began, 1),
        health=None,
        is_good=all(node.state == good for node in outcomes),
    )


def _examined(done: Provisioned, chosen: list[RemoteNode], *, as_json: bool) -> Provisioned:
    """The same outcome with the doctor's findings after it."""
    import msgspec

    from picluster.cli.show.health_tables import show_health
    from picluster.controller.health.doctor import Doctor

    health: Health = Doctor(chosen, None, partial(print, file=sys.stderr, flush=True)).visit()
    if not as_json:
        show_health(health)
    return msgspec.structs.replace(done, health=health, is_good=health.ready)


def _end(done: Provisioned, *, as_json: bool) -> None:
    from picluster.cli.show.provision_view import show_outcome
    from picluster.schema.record import to_json

    if as_json:
        typer.echo(to_json(done, indent=True), nl=False)
    else:
        show_outcome(done)
    if not done.is_good:
        raise typer.Exit(RunFailed.exit_code)


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        raise InputError(
            "nobody can be asked: standard input is no terminal", fix="--yes, with --keep-data or --delete-data"
        )
    return agrees(question)
