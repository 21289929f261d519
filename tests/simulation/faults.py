"""Faults: what may happen to nodes, links, disks, files and the controller, and when."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from picluster.controller.nodes.reaching import REACH_SECONDS
from tests.simulation.machine import CALL_SECONDS

if TYPE_CHECKING:
    from tests.simulation.world import Node, World

STEPS = {"start": range(400), "training": range(30, 550)}
"""Steps of the scheduler at which faults begin: about those that a run takes."""


@dataclass(frozen=True)
class Fault:
    """Something that happens when the scheduler has made so many steps since the start, or since training began."""

    kind: str
    since: str
    step: int
    node: str
    seconds: float
    """Time after which it is over, for those that pass."""

    def __str__(self) -> str:
        return f"{self.kind} {self.node} at step {self.step} of the {self.since} for {self.seconds:.1f} s"

    def strike(self, world: World) -> None:
        """Let it happen."""
        world.scheduler.note(str(self))
        KINDS[self.kind](world, world.nodes[self.node], self.seconds)


def draw(dice: random.Random, names: list[str]) -> list[Fault]:
    """Draw the faults of a schedule: mostly one or two, now and then none or many."""
    count = dice.choice([0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 6])
    return [_draw_one(dice, names) for _ in range(count)]


def _draw_one(dice: random.Random, names: list[str]) -> Fault:
    since = dice.choice(["start", "training", "training", "training"])
    seconds = dice.choice([dice.uniform(0.1, 3.0), dice.uniform(3.0, 60.0)])
    return Fault(dice.choice([*_DRAWN, *_OFTEN]), since, dice.choice(STEPS[since]), dice.choice(names), seconds)


def _kill_worker(world: World, node: Node, _: float) -> None:
    for process in node.living:
        world.struck.add(node.name)
        process.kill()


def _break_ssh(world: World, node: Node, _: float) -> None:
    world.struck.add(node.name)
    for connection in world.ssh_connections(node):
        connection.break_off(0)
        connection.break_off(1)


def _cut(world: World, node: Node, seconds: float, *, ssh: bool, data: bool) -> None:
    def set_cut(value: bool) -> None:
        node.ssh_is_cut, node.data_is_cut = (value if ssh else node.ssh_is_cut), (value if data else node.data_is_cut)
        world.changed()

    if seconds > world.shortest_noticed_cut:
        world.struck.add(node.name)
        if data:  # either end may name the other
            world.struck.update(world.nodes)
    set_cut(True)
    world.scheduler.at(world.scheduler.now + seconds, lambda: set_cut(False))


def _cut_ssh(world: World, node: Node, seconds: float) -> None:
    _cut(world, node, seconds, ssh=True, data=False)


def _cut_data(world: World, node: Node, seconds: float) -> None:
    _cut(world, node, seconds, ssh=False, data=True)


def _cut_link(world: World, node: Node, seconds: float) -> None:
    _cut(world, node, seconds, ssh=True, data=True)


def _cut_power(world: World, node: Node, seconds: float) -> None:
    world.struck.add(node.name)
    world.cut_power(node)
    world.scheduler.at(world.scheduler.now + 5.0 + seconds, lambda: world.give_power(node))


def _freeze(world: World, node: Node, seconds: float) -> None:
    world.struck.add(node.name)
    for process in node.living:
        process.is_frozen = True
        world.scheduler.at(world.scheduler.now + seconds, process.thaw)


def _slow(world: World, node: Node, seconds: float) -> None:
    node.slowness = 1.0 + seconds
    if node.slowness * CALL_SECONDS[1] > REACH_SECONDS:  # nobody waits for so long when it is entered again
        world.struck.add(node.name)


def _late(_: World, node: Node, seconds: float) -> None:
    node.lateness = 10.0 * seconds


def _fill_node(world: World, node: Node, seconds: float) -> None:
    world.struck.add(node.name)
    world.fail_disk(node.disk, errno.ENOSPC if seconds < 40 else errno.EROFS, 10 * seconds)


def _fill_desk(world: World, _: Node, seconds: float) -> None:
    world.struck.add("desk")
    world.fail_disk(world.desk, errno.ENOSPC, 10 * seconds)


def _kill_controller(world: World, _: Node, __: float) -> None:
    world.struck.add("desk")
    world.controllers[-1].kill()


def _interrupt(world: World, _: Node, __: float) -> None:
    world.struck.add("desk")
    world.interrupt()


def _pause_controller(world: World, _: Node, seconds: float) -> None:
    world.struck.add("desk")
    process = world.controllers[-1]
    process.is_frozen = not process.is_dead
    world.scheduler.at(world.scheduler.now + seconds, process.thaw)


def _cut_file(world: World, _: Node, __: float) -> None:
    world.struck.update(world.nodes)
    world.damages.append("cut")


def _flip_bit(world: World, _: Node, __: float) -> None:
    world.struck.update(world.nodes)
    world.damages.append("flip")


def _set_clock(world: World, _: Node, seconds: float) -> None:
    world.date_offset += seconds


def _spoil_state(world: World, _: Node, seconds: float) -> None:
    """A file of a training state rots on the disk, or is cut short."""
    if files := sorted(world.desk.folder.glob("runs/*/states/*/*")):
        file = files[int(seconds * 1000) % len(files)]
        world.has_spoilt_states = True
        world.struck.update(["desk", *world.nodes])  # a node may be the first to see it
        world.damages.append("cut" if seconds < 1 else "flip")
        with suppress(OSError):
            file.write_bytes(world.spoil(file.read_bytes()))


KINDS: dict[str, Callable[[World, Node, float], None]] = {
    "kill worker": _kill_worker,
    "break SSH": _break_ssh,
    "cut SSH": _cut_ssh,
    "cut data plane": _cut_data,
    "cut link": _cut_link,
    "cut power": _cut_power,
    "freeze": _freeze,
    "slow": _slow,
    "late": _late,
    "fill disk": _fill_node,
    "fill controller's disk": _fill_desk,
    "kill controller": _kill_controller,
    "interrupt": _interrupt,
    "pause controller": _pause_controller,
    "cut file": _cut_file,
    "flip bit": _flip_bit,
    "spoil state": _spoil_state,
}
_DRAWN = tuple(KINDS)
_OFTEN = ("kill worker", "kill worker", "cut power", "cut power", "break SSH", "kill controller")
KINDS["set clock"] = _set_clock
"""Not drawn: it must change nothing."""
