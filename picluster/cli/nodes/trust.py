"""`picluster trust`: host keys are shown and recorded."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import note, plain
from picluster.cli.terminal import complete, options
from picluster.cli.terminal.asking import agrees
from picluster.errors import InputError, PiclusterError, RunFailed
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.controller.nodes.ssh.failures import Verdict

EXAMPLES = """Examples:

picluster trust                      all nodes of inventory/hosts.yml
picluster trust pi3                  one that was flashed anew
picluster trust --yes                record new keys unasked, on a network that you trust"""

Nodes = Annotated[
    list[str] | None,
    typer.Argument(metavar="NODE…", help="Nodes whose keys are wanted; all by default.", autocompletion=complete.nodes),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Record without asking. A changed key is replaced only where its node is named."),
]

LONGEST_WAY = 8
"""Largest number of hosts on the way to a node."""
CHANGED = """\
    Either {node} was set up anew since its key was recorded, or another machine answers in its place and could read
    and change all that is sent to it. Say yes only if you know why the key is another one."""
COMPARE = "to compare, on a node's own screen: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


def trust(nodes: Nodes = None, inventory: options.InventoryFile = None, yes: Yes = False) -> None:
    """Show the fingerprints of the nodes' host keys, and record them where SSH, Ansible and rsync look for them."""
    from picluster.controller.nodes.fan_out import NodesFailed
    from picluster.controller.nodes.inventory import remote_nodes
    from picluster.controller.nodes.ssh.connection import look
    from picluster.controller.running.placement import choose_nodes

    chosen, _ = choose_nodes(inventory, f"{','.join(nodes)}," if nodes else None, note)
    failed: dict[str, PiclusterError] = {}
    withheld: list[str] = []
    left = remote_nodes(chosen)
    if not left:
        print("no node is entered over SSH: there is nothing to trust")
    for _ in range(LONGEST_WAY):
        seen = look(left)
        failed |= {name: each for name, each in seen.items() if isinstance(each, PiclusterError)}
        verdicts = {name: each for name, each in seen.items() if not isinstance(each, PiclusterError)}
        _show(seen)
        taken = _decide(verdicts, set(nodes or ()), yes=yes)
        withheld += [name for name, each in verdicts.items() if yes and each.state == "changed" and name not in taken]
        # Where a host on the way was recorded just now, the node has not shown its own key yet.
        left = [node for node in left if node.name in taken and verdicts[node.name].on_the_way]
    if failed:
        raise NodesFailed(failed)
    if withheld:
        what = f"not recorded, for the key is another one than before: {plain(', '.join(withheld))}"
        raise RunFailed(what, fix=f"once you know why: {shlex.join(['picluster', 'trust', *withheld])}")


def _decide(verdicts: Mapping[str, Verdict], named: set[str], *, yes: bool) -> list[str]:
    """Record what the person agrees to; returns the names of those nodes."""
    from picluster.controller.nodes.ssh.known_hosts import elsewhere, record

    new = [name for name, each in verdicts.items() if each.state == "new"]
    changed = [name for name, each in verdicts.items() if each.state == "changed"]
    if (new or changed) and not yes and not sys.stdin.isatty():
        what = "nobody can be asked whether these keys are right: standard input is no terminal"
        raise InputError(what, fix=f"compare them, then: {shlex.join(['picluster', 'trust', *sorted(named), '--yes'])}")
    taken = []
    if new and not yes:
        print(COMPARE)
    if new and (yes or agrees(f"record {counted(len(new), 'new key')}?")):
        taken += new
    for name in changed:
        if (yes and name in named) or (not yes and agrees(f"replace the key of {plain(name)}?")):
            taken.append(name)
    files = {str(record(verdicts[name])): None for name in taken}
    for file in files:
        print(f"recorded in {plain(file)}")
    for name in taken:
        for other in elsewhere(verdicts[name]):
            print(f"note: {plain(str(other))} has another key for {plain(name)} as well: see whether that is right")
    return taken


def _show(seen: Mapping[str, Verdict | PiclusterError]) -> None:
    width = max((len(plain(name)) for name in seen), default=0)
    for name, each in seen.items():
        if isinstance(each, PiclusterError):
            print(f"{plain(name):<{width}}  {'failed':<7}  {plain(each.what)}")
            continue
        state = each.state if each.state in ("known", "new") else each.state.upper()
        place = f"{each.address.host} port {each.address.port}{', on the way to it' if each.on_the_way else ''}"
        print(f"{plain(name):<{width}}  {state:<7}  {each.key}  {plain(place)}")
        if each.state == "changed":
            for key in each.recorded:
                print(f"{'':<{width}}  it was   {key}")
            print(CHANGED.format(node=plain(name)))
