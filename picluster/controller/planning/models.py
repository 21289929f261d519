"""Models as the controller knows them: described by the worker's program, which may import torch, and remembered."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

import picluster
from picluster.controller.record.record_files import keep_answer
from picluster.errors import DataError, InputError, MissingError, PiclusterError
from picluster.project import MODELS, find, model_names, user_cache, worker_command
from picluster.schema.model import ModelDescription
from picluster.schema.record import from_json
from picluster.schema.spec import OptionValue

DESCRIBE_TIMEOUT_SECONDS = 300
FAILURE = 1
_END = "take os._exit(), os.abort() and the like out; a killed program may also have used up the memory"
_LAYERS = Path(picluster.__file__).parent / "nn"
_WORKER = Path(picluster.__file__).parent / "worker"


def model_file(name: str) -> Path:
    """File of a model: a path to a `.py` file, or the name of one in `models/`."""
    file = Path(name) if name.endswith(".py") else find(MODELS / f"{name}.py")
    if not file.is_file():
        raise InputError(
            f"there is no model {name}", fix=f"known are {', '.join(model_names())}; or give a file: --model my.py"
        )
    return file.absolute()


def describe_model(
    file: Path,
    features: int,
    classes: int,
    options: dict[str, OptionValue],
    tell: Callable[[str], None] = lambda _line: None,
) -> ModelDescription:
    """Describe a model with these `options` for its `layers`, on a graph of so many features and classes.

    The answer is cached by the file's content. `tell` takes each line that the file prints while it is described.
    InputError where the worker's program refuses the model; MissingError where torch is not installed here.
    """
    question = [f"--features={features}", f"--classes={classes}"]
    question += [f"--option={name}={msgspec.json.encode(value).decode()}" for name, value in sorted(options.items())]
    cached = user_cache() / "models" / f"{_fingerprint(file, question)}.json"
    with suppress(OSError, InputError):  # not there, or damaged: ask again
        return from_json(ModelDescription, cached.read_bytes(), source=str(cached))
    answer = _ask(file, question, tell)
    description = from_json(ModelDescription, answer, source=f"the description of {file}")
    keep_answer(cached, answer)
    return description


def _ask(file: Path, question: list[str], tell: Callable[[str], None]) -> bytes:
    command = [*worker_command(), "describe", str(file), *question]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        told = subprocess.run(
            command, capture_output=True, check=False, timeout=DESCRIBE_TIMEOUT_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        message = f"describing the model {file} took longer than {DESCRIBE_TIMEOUT_SECONDS} s"
        raise InputError(message, fix=f"does it end? picluster-worker describe {shlex.quote(str(file))}") from None
    words = _without_prints(told.stderr.decode(errors="replace"), file, tell)
    if told.returncode == 0 and told.stdout:
        return told.stdout
    if "No module named 'torch'" in words and "model file" not in words:
        raise MissingError("torch is not installed here", fix="make setup")
    for kind in (InputError, DataError):
        if told.returncode == kind.exit_code:
            what, _, fix = words.removeprefix("error: ").partition("\n  fix: ")
            raise kind(what, fix=fix)
    if told.returncode < 0 or (told.returncode in (0, FAILURE) and not words):
        raise InputError(f"the model file {file} ended the program that described it{_how(told.returncode)}", fix=_END)
    raise PiclusterError(f"describing the model {file} failed:\n{words}")


def _without_prints(words: str, file: Path, tell: Callable[[str], None]) -> str:
    """Messages of the worker's program itself; what the model file printed is told."""
    lines, mark = words.splitlines(), f"{file.name} prints: "
    for line in lines:
        if line.startswith(mark):
            tell(line)
    return "\n".join(line for line in lines if not line.startswith(mark)).strip()


def _how(exit_code: int) -> str:
    """End of a process in words: by a signal, or by itself."""
    if exit_code >= 0:
        return ""
    with suppress(ValueError):
        return f" by {signal.Signals(-exit_code).name}"
    return f" by signal {-exit_code}"


def _fingerprint(file: Path, question: list[str]) -> str:
    """Fingerprint of all that the answer depends on: also the code of the layers."""
    digest = hashlib.sha256("\0".join([picluster.__version__, file.stem, *question]).encode(errors="surrogateescape"))
    for source in (file, *sorted(_LAYERS.glob("*.py")), *sorted(_WORKER.glob("**/*.py"))):
        digest.update(source.read_bytes())
    return digest.hexdigest()
