"""The health of all nodes side by side, from what was found out about each and between them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from picluster.controller.health.findings_links import between
from picluster.controller.health.findings_node import Patient, about
from picluster.controller.nodes.fitness import Busy, notes
from picluster.schema.facts import mixed_numerics
from picluster.schema.health import Finding, Health, Link, NodeHealth, Severity

_ORDER: tuple[Severity, ...] = ("problem", "warning", "note")
_ALIKE = "where that matters, launch on one group alone: --nodes A,B"
_SAME = "install the same on all nodes: picluster provision"


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
        yield Finding(check="busy", severity="note", nodes=busy, what=what, fix="ask again when it has ended")


def _versions(patients: Sequence[Patient]) -> Iterator[Finding]:
    """Differences of versions between nodes; `launch` says those of torch, too."""
    seen = {patient.name: patient.seen for patient in patients if patient.seen is not None and patient.seen.torch}
    for note in notes(seen):
        yield Finding(check="versions", severity="warning", nodes=tuple(seen), what=note, fix=_SAME)
    versions = {each.name: each.torch.versions for each in patients if each.torch is not None and each.torch.versions}
    packages = dict.fromkeys(package for each in versions.values() for package in each if package != "torch")
    if mixed := mixed_numerics({each.name: each.torch.numerics for each in patients if each.torch}):
        yield Finding(check="numerics", severity="note", nodes=tuple(versions), what=mixed, fix=_ALIKE)
    for package in packages:
        having: dict[str, list[str]] = {}
        for name, each in versions.items():
            having.setdefault(each.get(package, "missing"), []).append(name)
        if len(having) > 1:
            told = "; ".join(f"{version} on {', '.join(names)}" for version, names in having.items())
            usual = Counter({version: len(names) for version, names in having.items()}).most_common(1)[0][0]
            others = tuple(name for version, names in having.items() if version != usual for name in names)
            what = f"{package} is {told}: that may work, but is not what is tested"
            yield Finding(check="versions", severity="warning", nodes=others, what=what, fix=_SAME)
