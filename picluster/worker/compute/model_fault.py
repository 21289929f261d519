"""An exception that a model file caused, as one clear line: file, line, cause, and a fix that suits the kind."""

from __future__ import annotations

import builtins
import difflib
import re
import sys
import traceback
from collections.abc import Collection
from pathlib import Path
from types import FrameType

from picluster.errors import InputError
from picluster.nn import Layer

MODULE_PREFIX = "picluster_model_"
"""Names of the modules that model files become begin with it."""
_NO_DEVICE = re.compile(r"cuda|nvidia|\bhip\b|\bmps\b|\bxpu\b|same device", re.IGNORECASE)
_NO_MEMORY = re.compile(r"allocate|out of memory|not enough memory|overflow", re.IGNORECASE)
_IN_PLACE = re.compile(r"in-?place", re.IGNORECASE)
_METHODS = {
    "aggregate": 'def aggregate(self, block, rows): return block.rows(h=block.mean(rows["h"])), or make it a RowLayer',
    "transform": 'def transform(self, rows): return rows.having(h=self.linear(rows["h"]))',
}
_NO_FIT = re.compile(
    r"shapes? |sizes? of tensor|must match|size mismatch|dimension|out of bounds|normalized_shape|expected input",
    re.IGNORECASE,
)


class TooLong(BaseException):
    """Raised when a model file runs for too long; no `except Exception` of its own swallows it."""


def refusal(error: BaseException, what: str, *, given: Collection[str] = (), widths: str = "") -> InputError:
    """Put an exception that a model file caused into words.

    `what` names the part that failed, such as "layer 2 (MyLayer) fails in `transform`"; `given` the rows that the part
    was given, and `widths` tells their widths in words.
    """
    file, line = place_of(error)
    where = ", ".join([*([file] if file and file not in what else []), f"line {line}"])
    begin = f"{what}{f' ({where})' if line else ''}"
    if isinstance(error, InputError):
        return InputError(f"{begin}: {error.what}", fix=error.fix)
    fixes = [_advice(error, given, widths), f"mend line {line}" if line else ""]
    return InputError(f"{begin}: {_cause(error)}", fix="; ".join(filter(None, fixes)) or "mend the file")


def is_of_model(frame: FrameType) -> bool:
    """Tell whether a frame runs code of a model file."""
    return str(frame.f_globals.get("__name__", "")).startswith(MODULE_PREFIX)


def place_of(error: BaseException) -> tuple[str, int | None]:
    """The model file's name, and its innermost line that led to the error."""
    if isinstance(error, SyntaxError):
        return Path(error.filename or "").name, error.lineno
    found = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if is_of_model(frame)]
    return (file_of(found[-1][0]), found[-1][1]) if found else ("", None)


def file_of(frame: FrameType) -> str:
    """Name of the file whose code a frame runs."""
    return Path(frame.f_code.co_filename).name


def definition_of(layer: object, method: str) -> str:
    """File and line where a layer's method is written, if in a model file."""
    code = getattr(getattr(type(layer), method, None), "__code__", None)
    is_own = str(type(layer).__module__).startswith(MODULE_PREFIX)
    mine = sys.modules.get(type(layer).__module__) if is_own else None
    if code is None or code.co_filename != getattr(mine, "__file__", ""):
        return ""
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}"


def made_at(layer: Layer) -> str:
    """File and line that made a layer."""
    file, line = layer.made_at
    return f"{Path(file).name}, line {line}"


def is_misfit(error: BaseException) -> bool:
    """Tell whether an error says that shapes do not fit each other."""
    return isinstance(error, RuntimeError | ValueError | IndexError) and bool(_NO_FIT.search(str(error)))


def missing_method(error: BaseException) -> str:
    """The method of the layer contract that a layer's class lacks, if that is the error."""
    if not isinstance(error, NotImplementedError):
        return ""
    at = next((frame.f_code for frame in reversed(_frames(error))), None)
    return at.co_name if at and at.co_name in ("aggregate", "transform") and "picluster" in at.co_filename else ""


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it ends the program by sys.exit()"
    if isinstance(error, TooLong):
        return str(error)
    if method := missing_method(error):
        return f"its class has no method `{method}`"
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _advice(error: BaseException, given: Collection[str], widths: str) -> str:
    """Advise by the kind of error; empty where its own words say enough."""
    method = missing_method(error)
    is_name = isinstance(error, NameError | AttributeError)
    calls_argparse = any(frame.f_globals.get("__name__") == "argparse" for frame in _frames(error))
    first = (
        (
            isinstance(error, SystemExit) and calls_argparse,
            "take argparse out: arguments of `layers` are options, given as --option name=value",
        ),
        (isinstance(error, SystemExit), 'take sys.exit() out, or put it below `if __name__ == "__main__":`'),
        (isinstance(error, TooLong), "see that it ends"),
        (bool(method), _METHODS.get(method, "")),
        (isinstance(error, KeyError) and bool(given), f"the rows there are named {', '.join(given)}"),
        (_is_of_neighbour(error), "write what it takes from there into the model file: it goes to the nodes alone"),
        (isinstance(error, ModuleNotFoundError), f"install {getattr(error, 'name', '')} here and on every node"),
        (is_name, _meant(error) if isinstance(error, NameError | AttributeError) else ""),
        (isinstance(error, MemoryError) or _is_about(error, _NO_MEMORY), "give smaller numbers, as --hidden 256"),
        (_is_about(error, _NO_DEVICE), 'nodes compute on CPUs: leave out .to("cuda"), .cuda() and the like'),
        (_is_about(error, _IN_PLACE), "leave given rows as they are: h = h + x instead of h += x, relu() for relu_()"),
        (bool(widths) and is_misfit(error), f"it is given {widths}: see that widths chain"),
    )
    return next((advice for fits, advice in first if fits), "")


def _frames(error: BaseException) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _is_of_neighbour(error: BaseException) -> bool:
    """Tell whether the model file imports a file beside it."""
    if not isinstance(error, ImportError):
        return False
    files = [Path(frame.f_code.co_filename) for frame in _frames(error) if is_of_model(frame)]
    first = str(error.name or "").split(".")[0]
    beside = [file.parent / first for file in files[-1:] if first]
    return "relative import" in str(error) or any(each.with_suffix(".py").is_file() or each.is_dir() for each in beside)


def _is_about(error: BaseException, words: re.Pattern[str]) -> bool:
    return not isinstance(error, KeyError | NameError | AttributeError) and bool(words.search(str(error)))


def _meant(error: NameError | AttributeError) -> str:
    """Suggest a name that is much like the missing one."""
    owner = error.obj if isinstance(error, AttributeError) else None
    around = [*dir(builtins), *(name for frame in _frames(error)[-1:] for name in (*frame.f_globals, *frame.f_locals))]
    parts = ("_parameters", "_buffers", "_modules")
    own = [*dir(owner), *(name for part in parts for name in getattr(owner, part, None) or {})]
    names = around if owner is None else [name for name in own if not name.startswith("__")]
    found = difflib.get_close_matches(str(error.name), names, 1)
    return f"did you mean {found[0]}?" if found else ""
