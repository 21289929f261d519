"""`picluster export`: what a run has learnt, for use without picluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.terminal import options
from picluster.errors import InputError
from picluster.wording import counted

if TYPE_CHECKING:
    from picluster.schema.events import AnyEvent

EXAMPLES = """Examples:

picluster export --output cora.safetensors           the last run's weights, by PyG's names

picluster export ymbu --predictions classes.csv      class probabilities of all nodes

docs/export.md loads them into plain PyG."""


def export(
    run: options.RunName = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File of weights: .safetensors.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="File of class probabilities, computed here: .npy, .npz or .csv.")
    ] = None,
) -> None:
    """Write the weights of a run's best epoch, or its predictions, for use without picluster."""
    from picluster.controller.record.all_runs import find_run
    from picluster.controller.record.weights import check_weights_file, write_weights
    from picluster.controller.running.export import check_predictions_file, write_predictions
    from picluster.controller.running.observer import Observer

    if output is None and predictions is None:
        raise InputError("nothing to export", fix="say --output FILE for weights, --predictions FILE for probabilities")
    if output is not None:
        check_weights_file(output)
    if predictions is not None:
        check_predictions_file(predictions)
    folder = find_run(run)
    if output is not None:
        weights = write_weights(folder, output)
        values = sum(array.size for array in weights.values())
        typer.echo(f"{output}: {counted(values, 'value')} in {counted(len(weights), 'array')}, of {folder.path}")
    if predictions is not None:
        write_predictions(folder, predictions, Observer(_tell))
        typer.echo(f"{predictions}: class probabilities of all nodes, by {folder.path}")


def _tell(_node: str, event: "AnyEvent") -> None:
    from picluster.schema.events import Ready

    if isinstance(event, Ready):
        typer.echo("predicting all nodes from all of their neighbours, on this machine", err=True)
