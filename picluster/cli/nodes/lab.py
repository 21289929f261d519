"""`picluster lab`: virtual Pis on one Linux machine."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import NOTHING, mebibytes, print_record
from picluster.cli.terminal import options
from picluster.errors import InputError
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.lab.state import LabState

_NODES = 4
_MEMORY, _CPUS, _RATE = "1GiB", 0.5, "940mbit"
_GIB, _MEGABIT = 1 << 30, 10**6
_STYLES = {"running": "green", "frozen": "yellow", "link down": "yellow", "dead": "red"}

app = typer.Typer(help="Virtual Pis on this machine, to try things out without a Pi.", no_args_is_help=True)

UP_EXAMPLES = """Examples:

sudo "$(command -v picluster)" lab up                       four nodes, ready to train

sudo "$(command -v picluster)" lab up --like zero2w,pi4     two nodes as strong as these

sudo "$(command -v picluster)" lab up --fresh               bare nodes, to provision

sudo "$(command -v picluster)" lab up --fresh --release trixie,bookworm   bare nodes of two releases

sudo "$(command -v picluster)" lab up --fresh --emulate     bare nodes that run aarch64 programs"""

Name = Annotated[str, typer.Option(help="Name of the lab; there may be several.")]


@app.command("up", epilog=UP_EXAMPLES)
def up(
    *,
    nodes: Annotated[
        int | None, typer.Option(help="Number of nodes. (default: 4, or as many as --like or --release names)")
    ] = None,
    memory: Annotated[str | None, typer.Option(help=f"Memory of each node. (default: {_MEMORY})")] = None,
    cpus: Annotated[float | None, typer.Option(help=f"Cores of each node. (default: {_CPUS})", min=0.01)] = None,
    rate: Annotated[str | None, typer.Option(help=f"Speed of each link and direction. (default: {_RATE})")] = None,
    disk: Annotated[str, typer.Option(help="Disk of each node; it takes no more room than is written.")] = "8GiB",
    like: Annotated[
        str | None,
        typer.Option(
            metavar="PI,…",
            help="Give each node the memory, CPU share, link and random reads per second of a zero2w, pi3, pi4 or pi5.",
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="CODENAME,…",
            help="Debian or Ubuntu of bare nodes, such as trixie: one for all, or for each. (default: as this machine)",
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make bare nodes, as if just flashed, to provision.")] = False,
    emulate: Annotated[
        bool, typer.Option("--emulate", help="Emulate a Pi 4's architecture and instructions by qemu: slow.")
    ] = False,
    second_interface: Annotated[
        bool, typer.Option("--second-interface", help="Give each node a second interface, in a network of its own.")
    ] = False,
    own_files: Annotated[
        bool,
        typer.Option(
            "--own-files",
            help="Let each node pay for the memory of its programs' pages, as a Pi does; takes disk and time.",
        ),
    ] = False,
    name: Name = "lab",
) -> None:
    """Make virtual Pis, or repair those that are there. Needs root, on Debian or Ubuntu.

    Each has its own file system, host name, address, systemd and sshd; the kernel enforces its limits.
    """
    from picluster.lab.build import up as make
    from picluster.lab.machine.release import own_release
    from picluster.lab.places import LabPlaces
    from picluster.lab.spec import LabRequest, NodeLimits, parse_likeness, parse_rate, parse_releases, parse_size

    pis = parse_likeness(like) if like is not None else ()
    releases = parse_releases(release) if release is not None else (own_release().codename,)
    given = {"--memory": memory, "--cpus": cpus, "--rate": rate}
    if pis and (typed := [option for option, value in given.items() if value is not None]):
        raise InputError(f"--like and {', '.join(typed)} do not go together", fix="--like says what each node has")
    wanted = LabRequest(
        name=name,
        nodes=_count(pis, releases) if nodes is None else nodes,
        limits=NodeLimits(
            memory_bytes=parse_size(memory or _MEMORY, "--memory"),
            cpus=cpus or _CPUS,
            rate_bits=parse_rate(rate or _RATE, "--rate"),
        ),
        like=pis,
        releases=releases,
        disk_bytes=parse_size(disk, "--disk"),
        fresh=fresh,
        emulated=emulate,
        own_files=own_files,
        second_interface=second_interface,
    )
    began = time.monotonic()
    with _without_bytecode():
        lab = make(wanted, typer.echo)
    inventory = LabPlaces(name).inventory
    typer.echo(
        f"up        {counted(len(lab.nodes), 'node')} in {time.monotonic() - began:.1f} s; inventory {inventory}"
    )
    if not fresh:
        typer.echo(f"train     picluster launch --inventory {shlex.quote(str(inventory))} --layers-per-node 1")
    typer.echo(f"default   mkdir -p inventory; cp {shlex.quote(str(inventory))} inventory/hosts.yml")
    typer.echo("look      picluster lab status" + ("" if name == "lab" else f" --name {name}"))


def _count(pis: tuple[str, ...], releases: tuple[str, ...]) -> int:
    """Number of nodes where none was given: as many as the longer list has."""
    return max(len(pis), len(releases) if len(releases) > 1 else 0) or _NODES


@app.command("down")
def down(*, name: Name = "lab") -> None:
    """Remove a lab with all that is in it, also one that was only half made."""
    from picluster.lab.build import down as take_away

    began = time.monotonic()
    with _without_bytecode():
        done = take_away(name, typer.echo)
    took = f"in {time.monotonic() - began:.1f} s"
    typer.echo(f"down      {took}: {', '.join(done)}" if done else f"there is no lab {name}")


@app.command("status")
def status(*, name: Name = "lab", as_json: options.Json = False) -> None:
    """Show the state of a lab's nodes. Only root sees links and disks."""
    from picluster.lab.state import look

    with _without_bytecode():
        print_record(look(name), _show, as_json=as_json)


@app.command("break")
def break_node(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the node, such as pi2.")],
    *,
    kill: Annotated[bool, typer.Option("--kill", help="End the machine at once, as without power.")] = False,
    link_down: Annotated[bool, typer.Option("--link-down", help="Pull its network cable.")] = False,
    freeze: Annotated[bool, typer.Option("--freeze", help="Stop all of its processes, without ending them.")] = False,
    fill_disk: Annotated[bool, typer.Option("--fill-disk", help="Fill its disk to the last byte.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Repair whatever is broken; its disk is kept.")] = False,
    name: Name = "lab",
) -> None:
    """Break a node, or repair it."""
    from picluster.lab.faults import Fault, break_it

    options_given = (kill, link_down, freeze, fill_disk, restore)
    chosen = [fault for fault, is_given in zip(Fault, options_given, strict=True) if is_given]
    if len(chosen) != 1:
        raise InputError("say one thing to do", fix=f"one of {', '.join(fault.value for fault in Fault)}")
    with _without_bytecode():
        for done in break_it(name, node, chosen[0], typer.echo):
            typer.echo(f"{node}: {done}")


def _show(lab: "LabState") -> None:
    """Print a line for each node, and the inventory's path."""
    from rich.text import Text

    from picluster.cli.show.screen import Screen, plain_table

    screen = Screen()
    table = plain_table(("node", "state", "release", "address"), ("memory, MiB", "CPU", "link, Mbit/s", "disk, GiB"))
    for node in lab.nodes:
        memory = mebibytes(None if node.state == "dead" else node.memory_bytes)
        disk = NOTHING if node.disk_used_bytes is None else f"{node.disk_used_bytes / _GIB:.1f}"
        table.add_row(
            node.name,
            Text(node.state, style=_STYLES[node.state]),
            node.release,
            node.address,
            f"{memory} of {mebibytes(node.memory_limit_bytes)}",
            f"{node.cpus:g}",
            f"{node.rate_bits / _MEGABIT:,.4g}",
            f"{disk} of {node.disk_bytes / _GIB:,.4g}",
        )
    screen.show(table)
    screen.tell(f"{readiness(lab)}; inventory {lab.inventory}")


def readiness(lab: "LabState") -> str:
    """Number of nodes that can be used, and names of the others. Only root sees whether links are up."""
    good = sum(node.state == "running" for node in lab.nodes)
    is_known = all(node.disk_used_bytes is not None for node in lab.nodes)
    kind = ("bare" if lab.fresh else "ready to train" if is_known else "running") + (", emulated" * lab.emulated)
    bad = [f"{node.name} ({node.state})" for node in lab.nodes if node.state != "running"]
    told = counted(good, "node") if not bad else f"{good} of {counted(len(lab.nodes), 'node')}"
    told += f" {kind}; not so {', '.join(bad)}" if bad else f" {kind}"
    return told if is_known else f"{told}; whether links are up is seen by root only"


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Leave no bytecode of root's in the checkout of the person who typed sudo."""
    from picluster.lab.kernel.host import give_back_bytecode, invoker

    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        if os.geteuid() == 0:
            give_back_bytecode(invoker(os.environ))
