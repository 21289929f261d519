"""Files of a node's own: system and packages in an image that every node mounts by itself.

The kernel keeps the pages of a file in memory once for all who read it, and charges them to whoever read them first.
Nodes that share a base and packages thus share the pages of torch's library, which each Pi pays for alone. The image is
written once for all nodes; each mounts it through a loop device of its own, which is a disk of its own to the kernel.
"""

from collections.abc import Mapping
from pathlib import Path

from picluster.lab.kernel.commands import run
from picluster.lab.machine.disk import mount_as_disk
from picluster.lab.places import LabPlaces, NodePlaces

COPY_TIMEOUT_SECONDS = 600
_BASES, _MOUNTS = "bases", "mounts"
_SPARE = 1.25
"""Room of the image, by the bytes of what is copied: small files take whole blocks, and the file system some."""
_MIB = 1 << 20


def make_image(places: LabPlaces, bases: Mapping[str, Path], mounts: Mapping[Path, Path]) -> None:
    """Write the image that nodes mount: bases by release, and folders of the host with the nodes' places for them."""
    copies = {base: places.image_mount / _BASES / release for release, base in bases.items()}
    copies |= {source: _place(places.image_mount, target) for source, target in mounts.items()}
    used = sum(int(line.split()[0]) for line in run(["du", "-sm", *copies]).splitlines())
    with places.image.open("wb") as image:
        image.truncate(int(used * _SPARE) * _MIB)
    run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", places.image])
    places.image_mount.mkdir()
    run(["mount", "-o", "loop", places.image, places.image_mount])
    try:
        for source, copy in copies.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            run(["cp", "-aH", source, copy], timeout_seconds=COPY_TIMEOUT_SECONDS)
    finally:
        run(["umount", places.image_mount])


def mount_image(places: LabPlaces, node: NodePlaces, release: str) -> Path:
    """Mount the image for a node; returns the folder of its release's base."""
    node.files.mkdir()
    mount_as_disk(places.image, node.files, read_only=True)
    return own_base(node, release)


def own_base(node: NodePlaces, release: str) -> Path:
    """Folder of a release's base in a node's mount of the image."""
    return node.files / _BASES / release


def own_mounts(node: NodePlaces, mounts: Mapping[Path, Path]) -> dict[Path, Path]:
    """Folders of the image in a node's mount of it, with the places at which the node sees them."""
    return {_place(node.files, target): target for target in mounts.values()}


def _place(mount: Path, target: Path) -> Path:
    return mount / _MOUNTS / str(target).lstrip("/").replace("/", "_")
