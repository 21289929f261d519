"""Disk of a node: a sparse ext4 image, so that the kernel limits it, mounted as the writable layer over the base."""

import os
from contextlib import suppress
from pathlib import Path

from picluster.errors import MissingError
from picluster.lab.kernel.commands import run
from picluster.lab.places import NodePlaces
from picluster.lab.spec import NodeSpec


def make_disk(node: NodeSpec, places: NodePlaces, base: Path) -> None:
    """Make the image, and mount it and the node's file system; MissingError without loop devices, ext4 or overlay."""
    with places.image.open("wb") as image:
        image.truncate(node.disk_bytes)
    # No journal: what it protects from, the loss of the host, ends the lab as a whole.
    features = ["-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1"]
    run(["mkfs.ext4", "-q", "-F", *features, places.image])
    for folder in (places.disk, places.root):
        folder.mkdir()
    mount_as_disk(places.image, places.disk)
    for layer in ("upper", "work"):
        (places.disk / layer).mkdir()
    layers = f"lowerdir={base},upperdir={places.disk}/upper,workdir={places.disk}/work"
    run(["mount", "-t", "overlay", "-o", layers, "picluster-lab", places.root])


def mount_as_disk(image: Path, place: Path, *, read_only: bool = False) -> None:
    """Mount an image through a loop device of its own; MissingError without loop devices or its file system."""
    device = run(["losetup", "--find", "--show", *(["--read-only"] if read_only else []), image]).strip()
    try:
        # Past the host's page cache, where its file system can: a page is then held once, and charged to the node.
        with suppress(MissingError):
            run(["losetup", "--direct-io=on", device])
        run(["mount", "-o", "ro" if read_only else "discard", device, place])
    finally:
        run(["losetup", "--detach", device])  # as long as it is mounted it stays; afterwards it frees itself


def devices(places: NodePlaces, base: Path) -> tuple[str, ...]:
    """List the node's disk and the disk below the base, as the kernel numbers them (`7:0`).

    A file system without a device of its own, such as btrfs, yields none.
    """
    found = (_whole_disk(path.stat().st_dev) for path in (places.disk, base))
    return tuple(dict.fromkeys(device for device in found if device))


def _whole_disk(number: int) -> str | None:
    """Number of the disk that a partition belongs to: disks have limits, partitions have none."""
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    if not device.exists():
        return None
    disk = device.parent if (device / "partition").exists() else device
    return (disk / "dev").read_text().strip()
