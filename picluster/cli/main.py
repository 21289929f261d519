"""`picluster`: the table of commands. Each imports what it needs only when it runs, so that --help answers at once."""

import os
import signal
import sys
import threading
from typing import Annotated

import typer

import picluster
from picluster.cli.data import dataset
from picluster.cli.nodes import cards, doctor, init, lab, probe, provision, top, trust
from picluster.cli.runs import attach, compare, export, launch, logs, report, runs, stop
from picluster.cli.terminal import streams
from picluster.cli.terminal.parsing import HELP_NAMES, command_line, in_words
from picluster.cli.terminal.typeable import typeable
from picluster.errors import DataError, InputError, PiclusterError, Stopped
from picluster.refusals import refusal

app = typer.Typer(
    name="picluster",
    help="Train graph neural networks on a shelf of Raspberry Pis, one or more graph layers on each.",
    epilog="Exit codes: 0 done · 1 a bug · 2 wrong input · 3 data missing or damaged · 4 something is not installed · "
    "5 a node failed · 130 stopped",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_NAMES},
)
app.command("launch", epilog=launch.EXAMPLES)(launch.launch)
app.command("attach", epilog=attach.EXAMPLES)(attach.attach)
app.command("report", epilog=report.EXAMPLES)(report.report)
app.command("runs", epilog=runs.EXAMPLES)(runs.runs)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.command("logs", epilog=logs.EXAMPLES)(logs.logs)
app.command("stop", epilog=stop.STOP_EXAMPLES)(stop.stop)
app.command("reap", epilog=stop.REAP_EXAMPLES)(stop.reap)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("probe", epilog=probe.EXAMPLES)(probe.probe)
app.command("top", epilog=top.EXAMPLES)(top.top)
app.command("init", epilog=init.EXAMPLES)(init.init)
app.command("provision", epilog=provision.PROVISION_EXAMPLES)(provision.provision)
app.command("reset", epilog=provision.RESET_EXAMPLES)(provision.reset)
app.command("trust", epilog=trust.EXAMPLES)(trust.trust)
app.command("export", epilog=export.EXAMPLES)(export.export)
app.add_typer(cards.app, name="cards")
app.add_typer(dataset.app, name="dataset")
app.add_typer(lab.app, name="lab")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"picluster {picluster.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that was typed. An error that picluster foresees is told without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    streams.open_streams()
    code = _run()
    if not code and (why := streams.problem()):
        code = _say(DataError(why, fix="make room there, or let it write to another place"))
    leave(code)


def leave(code: int) -> None:
    """End this process with an exit code, whatever threads are left, as of a command that was stopped half-way.

    Python ends such threads wherever they are: inside a library's C++ or with a stream's lock that aborts the process.
    """
    if not any(thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> int:
    """Return the exit code of the command that was typed."""
    command = command_line(app)
    try:
        return int(command(prog_name="picluster", standalone_mode=False) or 0)
    except typer.TyperException as error:  # what was typed is no command of ours
        if error.format_message():  # else it was the help
            _say(in_words(error, command, sys.argv[1:]))
        return InputError.exit_code
    except PiclusterError as error:
        return _say(error)
    except OSError as error:
        if (refused := refusal(error)) is None:
            raise
        what, fix = refused
        return _say(DataError(what, fix=fix))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return Stopped.exit_code


def _say(error: PiclusterError) -> int:
    print(f"error: {typeable(str(error))}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    main()
