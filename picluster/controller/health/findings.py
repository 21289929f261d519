"""The health of all nodes side by side, from what was found out about each and their links. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from picluster.controller.health.findings_node import Patient, about
from picluster.controller.nodes.fitness import Busy, notes
from picluster.schema.facts import mixed_numerics
from picluster.schema.health import Finding, Health, Interface, Link, NodeHealth, Severity

_ORDER: tuple[Severity, ...] = ("problem", "warning", "note")
_ALIKE = "where that matters, launch on one group alone: --nodes A,B"
_SAME = "install the same on all nodes: picluster provision"
SLOW_MBIT = 200.0
"""Below, the link is no Gigabit Ethernet."""
SHARE_OF_SPEED = 0.5
"""Share of what the interfaces could do, or others do: less is a fault."""
LONG_ROUND_TRIP_MS = 5.0
_ALLOW = "let TCP through on all ports between the nodes: sudo ufw status"
_CABLE = "try another cable and another port of the switch"


def judge(patients: Sequence[Patient], links: Sequence[Link]) -> Health:
    """All findings, the worst first, and who is ready."""
    found = [each for patient in patients for each in about(patient)]
    found = _together([*found, *between(patients, links), *_untried(patients), *_versions(patients)])
    found.sort(key=lambda finding: _ORDER.index(finding.severity))
    fields = NodeHealth.__struct_fields__
    bad = {name for finding in found if finding.severity == "problem" for name in finding.nodes}
    nodes = tuple(
        NodeHealth(**{name: getattr(each, name) for name in fields} | {"ready": each.name not in bad})
        for each in patients
    )
    return Health(ready=not bad, nodes=nodes, links=tuple(links), findings=tuple(found))


def _found(check: str, severity: Severity, nodes: tuple[str, ...], what: str, fix: str) -> Finding:
    return Finding(check=check, severity=severity, nodes=nodes, what=what, fix=fix)


def _together(found: Sequence[Finding]) -> list[Finding]:
    """Nodes of which the same is to be said stand together."""
    groups: dict[Finding, list[str]] = {}
    for finding in found:
        groups.setdefault(msgspec.structs.replace(finding, nodes=()), []).extend(finding.nodes)
    return [msgspec.structs.replace(finding, nodes=tuple(names)) for finding, names in groups.items()]


def _untried(patients: Sequence[Patient]) -> Iterator[Finding]:
    busy = tuple(each.name for each in patients if any(isinstance(error, Busy) for error in each.errors.values()))
    if busy:
        what = "torch and links were not tried, so as not to disturb the run"
        yield _found("busy", "note", busy, what, "ask again when it has ended")


def _versions(patients: Sequence[Patient]) -> Iterator[Finding]:
    """Differences of versions between nodes; `launch` says those of torch, too."""
    seen = {patient.name: patient.seen for patient in patients if patient.seen is not None and patient.seen.torch}
    for note in notes(seen):
        yield _found("versions", "warning", tuple(seen), note, _SAME)
    versions = {each.name: each.torch.versions for each in patients if each.torch is not None and each.torch.versions}
    packages = dict.fromkeys(package for each in versions.values() for package in each if package != "torch")
    if mixed := mixed_numerics({each.name: each.torch.numerics for each in patients if each.torch}):
        yield _found("numerics", "note", tuple(versions), mixed, _ALIKE)
    for package in packages:
        having: dict[str, list[str]] = {}
        for name, each in versions.items():
            having.setdefault(each.get(package, "missing"), []).append(name)
        if len(having) > 1:
            told = "; ".join(f"{version} on {', '.join(names)}" for version, names in having.items())
            usual = Counter({version: len(names) for version, names in having.items()}).most_common(1)[0][0]
            others = tuple(name for version, names in having.items() if version != usual for name in names)
            what = f"{package} is {told}: that may work, but is not what is tested"
            yield _found("versions", "warning", others, what, _SAME)


def between(patients: Sequence[Patient], links: Sequence[Link]) -> list[Finding]:
    """Everything about the links."""
    names = [patient.name for patient in patients]
    return [*_unreached(names, links), *_slow(patients, links), *_distant(names, links)]


def _unreached(names: Sequence[str], links: Sequence[Link]) -> Iterator[Finding]:
    """A node that nobody reaches is told of once."""
    failed = [link for link in links if link.problem]
    cut_off = set()
    for name in names:
        towards = [link for link in links if link.target == name]
        problems = {link.problem for link in towards}
        if len(towards) > 1 and len(problems) == 1 and all(link.problem for link in towards):
            cut_off.add(name)
            yield _found("reach", "problem", (name,), f"no other node reaches it over TCP: {problems.pop()}", _ALLOW)
    grouped: dict[tuple[str, str], list[str]] = {}
    for link in failed:
        if link.target not in cut_off:
            grouped.setdefault((link.source, link.problem), []).append(link.target)
    for (source, problem), targets in grouped.items():
        yield _found(
            "reach", "problem", (source,), f"it does not reach {', '.join(targets)} over TCP: {problem}", _ALLOW
        )


def _slow(patients: Sequence[Patient], links: Sequence[Link]) -> Iterator[Finding]:
    """Nodes that are slow by themselves: a link is as fast as its slower end, so a slow one alone accuses neither."""
    interfaces = {
        patient.name: patient.facts.interfaces.get(patient.interface or "") if patient.facts else None
        for patient in patients
    }
    limited = {name for name, interface in interfaces.items() if _is_limited(interface)}
    # Links with nodes of which nothing more can come tell nothing of those at their other ends.
    telling = [link for link in links if not limited & {link.source, link.target}]
    best = {name: best_mbit(name, links if name in limited else telling) for name in interfaces}
    undecided: list[Patient] = []
    for patient in patients:
        interface, rate = interfaces[patient.name], best[patient.name]
        if interface and interface.half_duplex:
            yield _slowness(patient, "carries one direction at a time (half duplex)", _CABLE)
        if rate is None:
            continue
        others = [each for name, each in best.items() if name != patient.name and each is not None]
        if interface and interface.wireless:
            yield _slowness(patient, f"is Wi-Fi: {rate:.0f} Mbit/s at best", "a cable")
        elif _is_limited(interface):
            yield _slowness(patient, *_why_slow(rate, interface))
        elif rate < SHARE_OF_SPEED * _expected(interface, others):
            yield _slowness(patient, f"gives {rate:.0f} Mbit/s at best; others have more", _CABLE)
        elif rate < SLOW_MBIT:
            undecided.append(patient)
    if undecided:
        names = tuple(patient.name for patient in undecided)
        fastest = max(rate for name in names if (rate := best[name]) is not None)
        what = f"no link between them gives more than {fastest:.0f} Mbit/s, which does not tell whose end is slow"
        yield _found("rate", "warning", names, what, f"for one after another: {_CABLE}")


def _is_limited(interface: Interface | None) -> bool:
    """True where it cannot do more by its nature."""
    return bool(interface and (interface.wireless or (interface.speed_mbit or SLOW_MBIT) < SLOW_MBIT))


def _why_slow(rate: float, interface: Interface | None) -> tuple[str, str]:
    words = f"gives {rate:.0f} Mbit/s at best"
    speed = interface.speed_mbit if interface else None
    if speed is not None and speed <= SLOW_MBIT:
        fix = "a Gigabit switch and a cable with all eight wires; a Pi 3 or older has no faster port"
        return f"{words}, being linked at {speed}", fix
    return words, _CABLE


def _expected(interface: Interface | None, others: Sequence[float]) -> float:
    """Rate to expect: as much as the fastest other link where the own speed is known, else as most do."""
    if not others:
        return 0.0
    speed = interface.speed_mbit if interface else None
    return median(others) if speed is None else min(speed, max(others))


def best_mbit(name: str, links: Sequence[Link]) -> float | None:
    """The slower direction of a node, each at its best."""
    sent = [link.mbit_per_second for link in links if link.source == name and link.mbit_per_second is not None]
    received = [link.mbit_per_second for link in links if link.target == name and link.mbit_per_second is not None]
    return min(max(rates) for rates in (sent, received) if rates) if sent or received else None


def _distant(names: Sequence[str], links: Sequence[Link]) -> Iterator[Finding]:
    for name in names:
        times = [link.round_trip_ms for link in links if link.source == name and link.round_trip_ms is not None]
        if times and min(times) > LONG_ROUND_TRIP_MS:
            what = f"a round trip to any other node takes {min(times):.0f} ms or more"
            yield _found("round-trip", "warning", (name,), what, "one switch for all nodes, and cables")


def _slowness(patient: Patient, what: str, fix: str) -> Finding:
    return _found("rate", "warning", (patient.name,), f"its interface {patient.interface} {what}", fix)
