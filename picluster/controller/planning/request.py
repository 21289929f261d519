"""A request: what `picluster launch` and `picluster.launch` are given, checked before anything is looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from picluster.errors import InputError
from picluster.schema.plan import EngineName, Plan, Strategy
from picluster.schema.record import Record
from picluster.schema.spec import Evaluation, Monitor, Precision
from picluster.wording import in_words

FEATURE_DTYPES: dict[Precision, str] = {"fp32": "float32", "fp16": "float16", "int8": "int8"}
LONGEST_TAG = 24
PLACING = frozenset({"inventory", "nodes", "strategy", "layers_per_node", "replicas", "engine", "plan"})
"""Options that say which nodes do what."""
_HOW = PLACING | {"cores", "grace", "wait", "checkpoint_every", "max_restarts", "trace"}
"""Options that say where and how to run, not what to learn."""
_BESIDE = {"rerun": _HOW | {"rerun", "tag"}, "resume": _HOW | {"resume"}}
"""Options that may stand beside those that name an earlier run."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


_NUMBERS_AS_TEXT = {"nodes", "fanout", "weight_decay", "checkpoint_every"}
"""Options whose text may be a number, or several with commas between."""


def _as_typed(name: str, value: object) -> object:
    """Value of an option as somebody would type it, where Python has a better type for it: a path, numbers, names."""
    if name in _NUMBERS_AS_TEXT and isinstance(value, list | tuple):
        return ",".join(map(str, value))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if isinstance(value, Path) or (name in _NUMBERS_AS_TEXT and is_number) else value


@dataclass(frozen=True)
class Every:
    """The time or the steps between two training states of a run; without either it gives none."""

    seconds: float | None = None
    steps: int | None = None

    @staticmethod
    def read(text: str) -> Every:
        """Read `90s`, `5m`, `1.5h`, `500` for steps, or `never`. InputError where it is none of them."""
        if text == "never":
            return Every()
        if (found := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh])", text)) and float(found[1]) > 0:
            return Every(seconds=float(found[1]) * _UNITS[found[2]])
        if re.fullmatch(r"[1-9][0-9]*", text):
            return Every(steps=int(text))
        what = f"--checkpoint-every {text!r} is neither a time nor a number of steps"
        raise InputError(what, fix="such as --checkpoint-every 90s, 5m or 500 (steps), or never")


class LaunchRequest(Record, frozen=True, kw_only=True):
    """The options of `picluster launch`, whose help explains them; None = what suits graph, model and nodes."""

    dataset: str = "reddit-like"
    scale: float | None = None
    features: Precision | None = None
    split_seed: Annotated[int, Meta(ge=0)] | None = None
    model: str = "sage"
    hidden: int | None = None
    depth: int | None = None
    dropout: float | None = None
    option: tuple[str, ...] = ()
    """Further options of the model, such as `heads=4`."""
    pretrain: bool = False
    fanout: str | None = None
    batch_size: int | None = None
    micro_batches: int | None = None
    epochs: int | None = None
    seed: int = 0
    learning_rate: float | None = None
    weight_decay: str | None = None
    dense_weight_decay: float | None = None
    l1: float | None = None
    patience: int | None = None
    monitor: Monitor | None = None
    validation: Evaluation | None = None
    test: Evaluation | None = None
    wire: Precision | None = None
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = False
    inventory: str | None = None
    nodes: str | None = None
    strategy: Strategy | None = None
    layers_per_node: int | None = None
    replicas: Annotated[int, Meta(ge=1, le=1000)] | None = None
    engine: EngineName | None = None
    plan: Plan | str | None = None
    """A plan, or the file of one."""
    cores: Annotated[int, Meta(ge=1)] | None = None
    grace: Annotated[float, Meta(ge=2, le=3600)] = 5.0
    wait: bool = False
    checkpoint_every: str = "60s"
    max_restarts: Annotated[int, Meta(ge=0)] | None = None
    trace: bool = False
    rerun: str | None = None
    resume: str | None = None
    tag: str = ""

    def __post_init__(self) -> None:
        """Refuse a tag that is not one word, short enough for a table, and an interval that is none."""
        Every.read(self.checkpoint_every)
        tag = self.tag
        if tag and (tag.split() != [tag] or not tag.isprintable() or len(tag) > LONGEST_TAG):
            what = f"--tag {tag!r} is not one word of at most {LONGEST_TAG} letters"
            raise InputError(what, fix="such as --tag first-try")

    @staticmethod
    def of(given: Mapping[str, Any]) -> LaunchRequest:
        """Make a request of options by name. InputError for what is unknown, wrong, or known of the earlier run."""
        values = {name: _as_typed(name, value) for name, value in given.items()}
        try:
            request = msgspec.convert(values, LaunchRequest)
        except msgspec.ValidationError as error:
            raise InputError(f"the options do not fit: {in_words(error)}", fix="see picluster launch --help") from error
        for earlier, beside in _BESIDE.items():
            others = [spelt(name) for name in given if name not in beside]
            if getattr(request, earlier) is not None and others:
                does, them = ("do", "them") if len(others) > 1 else ("does", "it")
                what = f"{', '.join(others)} {does} not go with {spelt(earlier)}: the run says what is learnt"
                raise InputError(what, fix=f"leave {them} out, or leave out {spelt(earlier)}")
        return request

    @property
    def places(self) -> bool:
        """True where it says itself who does what, but for the inventory and the engine."""
        return any(getattr(self, name) is not None for name in PLACING - {"inventory", "engine"})

    def on(self, other: LaunchRequest) -> LaunchRequest:
        """The same learning, run where and how another request says, as far as that says anything."""
        said = {name: getattr(other, name) for name in _HOW if getattr(other, name) != getattr(_DEFAULTS, name)}
        old = dict.fromkeys(PLACING - {"inventory", "engine"}) if other.places else {}
        return msgspec.structs.replace(self, **{**old, **said})

    def words(self, *, without: frozenset[str] = frozenset()) -> list[str]:
        """Options that are not left at their defaults, as one types them."""
        words = []
        for field in msgspec.structs.fields(LaunchRequest):
            value = getattr(self, field.name)
            if field.name in without or value == field.default:
                continue
            for each in value if isinstance(value, tuple) else (value,):
                shown = "plan.json" if isinstance(each, Plan) else str(each)
                words += [spelt(field.name), *([] if each is True else [shown])]
        return words


_DEFAULTS = LaunchRequest()


def spelt(name: str) -> str:
    """Option on the command line, such as `--learning-rate`."""
    return f"--{name.replace('_', '-')}"
