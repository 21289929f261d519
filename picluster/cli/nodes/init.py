"""`picluster init`: from a short list of Pis to their SD cards and the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.terminal.asking import secret
from picluster.errors import InputError
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.schema.cluster_file import ClusterFile

EXAMPLES = """Examples:

picluster init                       cluster.yml of this folder

picluster init shelf.yml --force     replaces inventory/hosts.yml and cards/

picluster init --wifi "our network" --wifi-country GB

docs/first-boot.md goes from there to nodes that answer."""


def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The cluster file; inventory/cluster.example.yml shows one.")
    ] = Path("cluster.yml"),
    wifi: Annotated[
        str | None, typer.Option(metavar="NAME", help="Wi-Fi that the nodes join; its password is asked for.")
    ] = None,
    wifi_country: Annotated[
        str | None,
        typer.Option(metavar="GB", help="Country whose radio rules apply; a Pi keeps its Wi-Fi off until it knows."),
    ] = None,
    wifi_password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the Wi-Fi's password, in the place of the question.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what an earlier one has written.")] = False,
) -> None:
    """Write inventory/hosts.yml, and for every node's SD card what it needs at its first start."""
    from picluster.controller.first_boot.cards import CARDS, write_all
    from picluster.controller.first_boot.reading import read_password, read_public_key
    from picluster.project import HOSTS, find

    password = read_password(wifi_password_file) if wifi_password_file else None
    cluster = _with_wifi(file, wifi, wifi_country, password)
    write_all(cluster, read_public_key(cluster, file.parent), force=force)
    print(f"inventory  {HOSTS}: {counted(len(cluster.nodes), 'node')}")
    for name in cluster.nodes:
        print(f"card       {CARDS / name}: {name} at {cluster.address(name) or f'{name}.local'}")
    print(f"next       copy each card's files to its boot partition: {find('docs/first-boot.md')}")


def _with_wifi(file: Path, name: str | None, country: str | None, password: str | None) -> ClusterFile:
    """Read the cluster file, and put into it what was given of the Wi-Fi; ask for a password that nobody gave."""
    from picluster.controller.first_boot.reading import join_wifi, read_cluster, with_password

    if (name is None) != (country is None):
        given, missing = ("--wifi", "--wifi-country GB") if country is None else ("--wifi-country", "--wifi NAME")
        raise InputError(f"{given} alone joins no Wi-Fi", fix=f"add {missing}")
    cluster = read_cluster(file)
    if name is not None and country is not None:
        cluster = join_wifi(cluster, name, country)
    if password is None and cluster.wifi and cluster.wifi.password is None:
        password = secret(f"password of the Wi-Fi {cluster.wifi.name}:")
        if password is None:
            raise InputError("the Wi-Fi's password is missing", fix="--wifi-password-file FILE, with it in one line")
    return cluster if password is None else with_password(cluster, password)
