"""What belongs to the person who typed sudo, not to root."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A user and a group, by number."""

    user: int
    group: int

    def give(self, path: Path) -> None:
        """Hand a file over."""
        os.chown(path, self.user, self.group)


def invoker(environment: Mapping[str, str]) -> Owner:
    """Who called: the user behind sudo where it was used."""
    user, group = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    return Owner(int(user), int(group)) if user.isdecimal() and group.isdecimal() else Owner(os.getuid(), os.getgid())


def give_back_bytecode(owner: Owner) -> None:
    """Hand over the bytecode that Python as root has left beside modules of the owner's."""
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if spec is None or not spec.has_location or not spec.cached or not Path(spec.cached).exists():
            continue
        if Path(spec.origin).stat().st_uid != owner.user:
            continue
        for path in (Path(spec.cached), Path(spec.cached).parent):
            if path.stat().st_uid != owner.user:
                owner.give(path)
