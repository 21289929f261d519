"""Facts of the nodes, gathered by one survey before anything is planned."""

from collections.abc import Mapping

from picluster.schema.record import Record


class NodeFacts(Record, frozen=True, kw_only=True):
    """Facts of one node. None is what is not known: of a node that was not asked, all but its name."""

    name: str
    """Name in the inventory."""
    memory_bytes: int | None = None
    """Memory that a process can have at most: of the machine, or the limit of its control group."""
    cores: int | None = None
    """Number of cores that a process may use."""
    processor: str | None = None
    """Board or processor."""
    torch: str | None = None
    """Version of torch."""
    numerics: str | None = None
    """Fingerprint of the numerics: nodes that share it compute the same bits."""


def mixed_numerics(fingerprints: Mapping[str, str | None]) -> str:
    """Remark on nodes, given by name, whose numerics are known and differ; empty where none do."""
    groups: dict[str, list[str]] = {}
    for name, fingerprint in fingerprints.items():
        if fingerprint:
            groups.setdefault(fingerprint, []).append(name)
    if len(groups) < 2:  # noqa: PLR2004  all compute alike
        return ""
    told = "; ".join(f"{', '.join(names)} ({fingerprint})" for fingerprint, names in groups.items())
    return f"numerics differ between {told}: another plan over them may learn other last bits"
