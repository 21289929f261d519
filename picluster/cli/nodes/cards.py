"""`picluster cards`: a card is read back before it goes into a Pi."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.show.words import plain
from picluster.errors import DataError, InputError
from picluster.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from picluster.controller.first_boot.verifying.findings import Mistake

app = typer.Typer(help="What goes on SD cards, read back.", no_args_is_help=True)

VERIFY_EXAMPLES = """Examples:

picluster cards verify /media/me/bootfs              a card that was written

picluster cards verify /media/me/bootfs --node pi3   it should be this node's

picluster cards verify cards/*                       what picluster init wrote"""


@app.command("verify", epilog=VERIFY_EXAMPLES)
def verify(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help="Folder of a card's boot partition: bootfs, or system-boot.")
    ],
    node: Annotated[str | None, typer.Option(metavar="NAME", help="Node whose card it should be.")] = None,
) -> None:
    """Tell what a card does at its first start, and what is wrong with it. Changes nothing. Exit code 3: a mistake."""
    from picluster.controller.first_boot.verifying.first_start import judge, judge_together
    from picluster.controller.first_boot.verifying.partition import read_partition

    if node is not None and len(folders) > 1:
        raise InputError("--node is of one card, and several are given", fix="one folder, or no --node")
    partitions = {str(folder): read_partition(folder) for folder in folders}
    starts = {name: judge(partition, node) for name, partition in partitions.items()}
    for name, start in starts.items():
        print(plain(name))
        for fact in start.facts:
            print(f"  {fact.topic:<9}{plain(fact.text)}")
        _tell(start.mistakes)
    shared = list(judge_together(starts))
    _tell(shared)
    if count := len(shared) + sum(len(start.mistakes) for start in starts.values()):
        raise DataError(f"{counted(count, 'mistake')} on {counted(len(folders), 'card')}", fix="see the lines above")


def _tell(mistakes: Iterable[Mistake]) -> None:
    for mistake in mistakes:
        print(f"  wrong    {plain(mistake.what)}\n           fix: {plain(mistake.fix)}")
