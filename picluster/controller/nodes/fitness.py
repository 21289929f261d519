"""Fitness of a node for its part of a run, from its facts. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import picluster
from picluster.errors import DataError, MissingError, PiclusterError, RunFailed
from picluster.schema.facts import Claimed, NodeFacts
from picluster.schema.plan import ENGINE_PACKAGES, EngineName, missing_engine

SPARE_BYTES = 64 << 20
"""Room that must stay free on a node's disk beside the data: for logs, weights, temporary tables."""
_PROVISION = "install it there: picluster provision"


class Busy(RunFailed):
    """Another run has the node."""


def unfit(seen: NodeFacts, home: str, sizes: Mapping[str, int]) -> PiclusterError | None:
    """Reason why a node cannot take part; None where it can.

    Picluster should be installed in `home`; `sizes` are the bytes of each file that the node needs.
    """
    return _wrongly_installed(seen, home) or _cannot_be_shipped_to(seen, sizes) or busy(seen.claims)


def _wrongly_installed(seen: NodeFacts, home: str) -> PiclusterError | None:
    if seen.worker is None:
        return MissingError(f"picluster is not installed in {home} there", fix=_PROVISION)
    if seen.version is None:
        return MissingError(f"{seen.worker} does not start there: {seen.trouble}", fix=_PROVISION)
    if seen.version != picluster.__version__:
        what = f"it has picluster {seen.version}, and this is {picluster.__version__}"
        return MissingError(what, fix="install this one there: picluster provision")
    if seen.torch is None:
        return MissingError(f"torch is not installed in {home} there", fix=_PROVISION)
    return None


def _cannot_be_shipped_to(seen: NodeFacts, sizes: Mapping[str, int]) -> PiclusterError | None:
    if seen.lacking and not seen.rsync:
        return MissingError("rsync is not installed there", fix=_PROVISION)
    needed = sum(sizes.get(name, 0) for name in seen.lacking)
    if seen.free_bytes is not None and seen.free_bytes < needed + SPARE_BYTES:
        room = f"{seen.free_bytes >> 20} MiB are free, {(needed + SPARE_BYTES) >> 20} are needed"
        what = f"its disk is too full: {room} ({needed >> 20} of them for data)"
        return DataError(what, fix=f"free space there; picluster keeps its data in {seen.cache}")
    return None


def without_engine(packages: Mapping[str, str | None], engine: EngineName) -> PiclusterError | None:
    """Reason why a node cannot take part in a run of this engine; None where nothing is known to be missing."""
    lacking = [name for name in ENGINE_PACKAGES[engine] if name in packages and packages[name] is None]
    return missing_engine(engine, lacking) if lacking else None


def busy(claims: Sequence[Claimed]) -> Busy | None:
    """Reason why a node is not free; None where it is."""
    for claim in claims:
        if claim.is_exclusive:
            since = time.strftime("%H:%M", time.localtime(claim.since))
            what = f"busy with run {claim.run} of user {claim.controller.user or 'unknown'} since {since}"
            return Busy(what, fix="wait for its end: picluster launch --wait")
    return None


def notes(seen: Mapping[str, NodeFacts]) -> tuple[str, ...]:
    """Remarks on what works, and yet a person should know."""
    versions: dict[str, list[str]] = {}
    for node, each in seen.items():
        versions.setdefault(str(each.torch).partition("+")[0], []).append(node)
    if len(versions) < 2:  # noqa: PLR2004  all have the same
        return ()
    told = "; ".join(f"{version} on {', '.join(nodes)}" for version, nodes in versions.items())
    return (f"torch is {told}: that works, but last bits may differ",)
