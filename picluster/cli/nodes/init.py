"""`picluster init`: from a short list of Pis to their SD cards and the inventory."""

from pathlib import Path
from typing import Annotated

import typer

from picluster.wording import counted

EXAMPLES = """Examples:

picluster init                       cluster.yml of this folder

picluster init shelf.yml --force     replaces inventory/hosts.yml and cards/

docs/first-boot.md goes from there to nodes that answer."""


def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The cluster file; inventory/cluster.example.yml shows one.")
    ] = Path("cluster.yml"),
    force: Annotated[bool, typer.Option("--force", help="Replace what an earlier one has written.")] = False,
) -> None:
    """Write inventory/hosts.yml, and for every node's SD card what it needs at its first start."""
    from picluster.controller.first_boot.cards import CARDS, read_cluster, read_public_key, write_all
    from picluster.project import HOSTS, find

    cluster = read_cluster(file)
    public_key = read_public_key(cluster, file.parent)
    write_all(cluster, public_key, force=force)
    print(f"inventory  {HOSTS}: {counted(len(cluster.nodes), 'node')}")
    for name in cluster.nodes:
        print(f"card       {CARDS / name}: {name} at {cluster.address(name) or f'{name}.local'}")
    print(f"next       copy each card's files to its boot partition: {find('docs/first-boot.md')}")
