"""`picluster-worker`: without arguments, one run's work on one node, told over standard input; else small questions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

import picluster
from picluster.errors import PiclusterError

if TYPE_CHECKING:
    import argparse


def main() -> None:
    """Entry point. Every launch asks every node for the version: that answer imports nothing."""
    if sys.argv[1:] == ["--version"]:
        print(f"picluster-worker {picluster.__version__}")
        return
    from picluster.worker.lazy_torch import install

    arguments = _parser().parse_args()
    install()
    try:
        {"describe": _describe, "check": _check}.get(arguments.command, _work)(arguments)
    except PiclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(prog="picluster-worker", description=__doc__)
    parser.add_argument("--version", action="version", version=f"picluster-worker {picluster.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    describe = commands.add_parser("describe", help="print a model's layers, widths and parameters as JSON")
    describe.add_argument("model", help="a model file, or the name of one in models/", metavar="MODEL")
    describe.add_argument(
        "--features", type=int, default=602, help="width of the graph's features (default: %(default)s)"
    )
    describe.add_argument("--classes", type=int, default=41, help="classes of the graph (default: %(default)s)")
    describe.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the model")
    check = commands.add_parser("check", help="let two processes multiply and exchange; prints JSON")
    check.add_argument("--address", default="127.0.0.1", help="own address of the data plane (default: %(default)s)")
    work = commands.add_parser(
        "work", help="do a run's work on this node: job and heartbeats come on standard input (default)"
    )
    for name in ("run", "node"):
        work.add_argument(f"--{name}", metavar="NAME", help="for those who list processes; the claim says it to us")
    return parser


def _describe(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    import torch

    from picluster.project import MODELS, find
    from picluster.schema.record import to_json
    from picluster.schema.spec import read_option
    from picluster.worker.describing.description import describe
    from picluster.worker.describing.isolation import captured, limited

    file = Path(arguments.model)
    if file.suffix != ".py":
        file = find(MODELS / f"{arguments.model}.py")
    options = dict(read_option(text) for text in arguments.option)
    torch.set_num_threads(1)  # as workers do; the graphs are so small that more would only wait for each other
    printed: list[str] = []
    try:
        with captured() as printed, limited():
            described = describe(file, arguments.features, arguments.classes, options)
    finally:
        for line in printed:
            print(f"{file.name} prints: {line}", file=sys.stderr)
    sys.stdout.buffer.write(to_json(described, indent=True))


def _check(arguments: argparse.Namespace) -> None:
    import json
    import platform
    from importlib.metadata import version

    from picluster.worker.engines.trial import exchange

    output, seconds = _own_output(), exchange(arguments.address)
    told = {"python": platform.python_version(), "machine": platform.machine(), "torch": version("torch")}
    output.write(json.dumps({**told, "seconds": round(seconds, 2)}).encode() + b"\n")
    output.flush()


def _work(_: argparse.Namespace) -> None:
    from picluster.worker.session import work

    work(sys.stdin.buffer, _own_output())


def _own_output() -> BinaryIO:
    """Keep standard output for ourselves: what libraries and model files print, as Gloo does, goes to the log."""
    import os

    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    main()
