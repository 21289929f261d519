"""A kind of node, as wheels and markers see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags

from picluster.errors import InputError

_OLDEST_GLIBC = {"aarch64": 17, "x86_64": 5}
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """A Linux with glibc."""

    python: str
    """Such as 3.12."""
    machine: str
    """As `uname -m` says it."""
    glibc: str
    """Such as 2.39."""

    def __post_init__(self) -> None:
        if self.machine not in _OLDEST_GLIBC:
            raise InputError(f"there are no wheels for {self.machine}", fix="flash a 64-bit system")

    @property
    def name(self) -> str:
        """For people and for folders."""
        return f"python{self.python}-{self.machine}-glibc{self.glibc}"

    @property
    def markers(self) -> dict[str, str]:
        """The environment that markers are evaluated in (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @cached_property
    def platforms(self) -> list[str]:
        """Platform tags, the newest glibc first (PEP 600)."""
        newest, oldest = int(self.glibc.split(".")[1]), _OLDEST_GLIBC[self.machine]
        found = []
        for minor in range(newest, oldest - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _OLD_NAMES:
                found.append(f"{_OLD_NAMES[minor]}_{self.machine}")
        return [*found, f"linux_{self.machine}"]

    @property
    def abis(self) -> list[str]:
        """What pip is told of the interpreter's binary interfaces."""
        return [self._interpreter, "abi3", "none"]

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """Of wheels that can be installed there (PEP 425)."""
        version = tuple(map(int, self.python.split(".")))
        own = cpython_tags(version, [self._interpreter], self.platforms)
        return frozenset([*own, *compatible_tags(version, self._interpreter, self.platforms)])

    @property
    def _interpreter(self) -> str:
        return "cp" + self.python.replace(".", "")
