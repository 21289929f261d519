"""`picluster provision` makes nodes ready; `picluster reset` takes that off them again."""

from __future__ import annotations

import getpass
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from picluster.cli.show.words import plain, print_record
from picluster.cli.terminal import options
from picluster.cli.terminal.asking import agrees
from picluster.errors import InputError, RunFailed
from picluster.schema.provision import NodeState, Provisioned
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import RemoteNode
    from picluster.controller.provision.playbook import Playbook

PROVISION_EXAMPLES = """Examples:

picluster provision                      all nodes of inventory/hosts.yml
picluster provision --limit pi5          a new node; the others are told of it
picluster provision --check              say what would be changed
picluster provision --tags firewall      run one role again"""
RESET_EXAMPLES = """Examples:

picluster reset --limit pi5              take picluster off a node
picluster reset --delete-data            take it off all nodes, and delete the graphs there"""

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
    """Make freshly flashed Pis ready to train; changes only what is not so yet. Exit code 5: one is not ready."""
    from picluster.controller.provision.playbook import check_tags
    from picluster.controller.provision.wheel_set import torch_of_pis

    if tags is not None:
        check_tags(tags)
    book, chosen = _playbook("site.yml", inventory, limit)
    password = _password() if ask_become_pass else None
    with _apt_port() as port:
        variables = {**book.variables, "picluster_torch_version": torch_of_pis()}
        book = replace(book, tags=tags, is_check=check, apt_port=port, become_password=password, variables=variables)
        done = _run(book, good="done" if check or tags else "ready", as_json=as_json)
    if done.is_good and not check and not tags:
        from picluster.cli.show.health_tables import show_health
        from picluster.controller.health.doctor import Doctor

        health = Doctor(chosen, None, partial(print, file=sys.stderr, flush=True)).visit()
        if not as_json:
            show_health(health)
        done = msgspec.structs.replace(done, health=health, is_good=health.ready)
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
    """Remove from nodes what `provision` put there. What others installed stays; data, unless you say otherwise."""
    book, _ = _playbook("reset.yml", inventory, limit)
    if not yes and not _agrees(f"take picluster off {plain(', '.join(book.chosen))}?"):
        raise typer.Exit
    if delete_data is None:
        delete_data = not yes and _agrees("delete the graphs that are kept there, too?")
    password = _password() if ask_become_pass else None
    book = replace(book, become_password=password, variables={**book.variables, "reset_data": delete_data})
    _end(_run(book, good="done", as_json=as_json), as_json=as_json)


def _playbook(name: str, inventory: Path | None, limit: str | None) -> tuple[Playbook, list[RemoteNode]]:
    """Playbook for the machines that are chosen, and these machines."""
    from picluster.controller.nodes.inventory import default_inventory, read_inventory, remote_nodes
    from picluster.controller.provision.playbook import Playbook, hosts_of
    from picluster.project import find

    path = inventory or default_inventory()
    nodes = read_inventory(path)
    members = remote_nodes(nodes)
    if not members:
        raise InputError(
            f"inventory {path} names no machine but this one", fix=f"write your own: see {find('docs/inventory.md')}"
        )
    print(f"inventory  {path}: {counted(len(members), 'node')}", file=sys.stderr)
    names = [node.name for node in members]
    chosen = names if limit is None else hosts_of(path, limit, names)
    variables = {"picluster_controller_is_node": len(members) < len(nodes)}
    book = Playbook(name=name, inventory=path, chosen=chosen, members=names, variables=variables)
    return book, [node for node in members if node.name in chosen]


def _password() -> str:
    return getpass.getpass("sudo's password on the nodes: ")


def _apt_port() -> AbstractContextManager[int | None]:
    """Start the cache for apt, where this machine has one; yields its port."""
    from picluster.controller.provision import apt_cache

    if apt_cache.program():
        return apt_cache.apt_cache()
    told = "packages   nodes fetch Debian's by themselves; sudo apt install apt-cacher-ng lets this machine do it once"
    print(told, file=sys.stderr)
    return nullcontext()


def _run(book: Playbook, *, good: NodeState, as_json: bool) -> Provisioned:
    """Run a playbook and show its progress."""
    from picluster.cli.show.provision_view import watched
    from picluster.controller.provision.progress import Progress

    progress, began = Progress(book.chosen), time.monotonic()
    with watched(progress, quiet=as_json) as on_event:
        trouble = book.run(on_event)
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


def _end(done: Provisioned, *, as_json: bool) -> None:
    from picluster.cli.show.provision_view import show_outcome

    print_record(done, show_outcome, as_json=as_json)
    if not done.is_good:
        raise typer.Exit(RunFailed.exit_code)


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        raise InputError(
            "nobody can be asked: standard input is no terminal", fix="--yes, with --keep-data or --delete-data"
        )
    return agrees(question)
