"""A request: what `picluster launch` and `picluster.launch` are given, checked before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from picluster.errors import InputError
from picluster.schema.plan import EngineName, Plan, Strategy
from picluster.schema.spec import Evaluation, Monitor
from picluster.wording import in_words

FeatureType = Literal["fp16", "fp32"]
FEATURE_DTYPES: dict[FeatureType, str] = {"fp16": "float16", "fp32": "float32"}
LONGEST_TAG = 24
PLACING = frozenset({"inventory", "nodes", "strategy", "layers_per_node", "replicas", "engine", "plan"})
"""Options that say which nodes do what."""
_BESIDE_RERUN = PLACING | {"rerun", "tag", "threads", "grace", "wait"}
"""Options that may stand beside `rerun`: where and how to run, not what to learn."""


class LaunchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `picluster launch`, whose help explains them; None = what suits graph, model and nodes."""

    dataset: str = "reddit-like"
    scale: float | None = None
    features: FeatureType | None = None
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
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = False
    inventory: str | None = None
    nodes: str | None = None
    strategy: Strategy | None = None
    layers_per_node: int | None = None
    replicas: Annotated[int, Meta(ge=1)] | None = None
    engine: EngineName | None = None
    plan: Plan | str | None = None
    """A plan, or the file of one."""
    threads: Annotated[int, Meta(ge=1)] | None = None
    grace: Annotated[float, Meta(ge=2, le=3600)] = 5.0
    wait: bool = False
    rerun: str | None = None
    tag: str = ""

    def __post_init__(self) -> None:
        """Refuse a tag that is not one word, short enough for a table."""
        tag = self.tag
        if tag and (tag.split() != [tag] or not tag.isprintable() or len(tag) > LONGEST_TAG):
            what = f"--tag {tag!r} is not one word of at most {LONGEST_TAG} letters"
            raise InputError(what, fix="such as --tag first-try")

    @staticmethod
    def of(given: Mapping[str, Any]) -> LaunchRequest:
        """Make a request of options by name. InputError for an unknown one, a wrong value, or a stranger to `rerun`."""
        values = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
        try:
            request = msgspec.convert(values, LaunchRequest)
        except msgspec.ValidationError as error:
            raise InputError(f"the options do not fit: {in_words(error)}", fix="see picluster launch --help") from error
        others = [spelt(name) for name in given if name not in _BESIDE_RERUN]
        if request.rerun is not None and others:
            does, them = ("do", "them") if len(others) > 1 else ("does", "it")
            what = f"{', '.join(others)} {does} not go with --rerun: the run says what is learnt"
            raise InputError(what, fix=f"leave {them} out, or leave out --rerun")
        return request

    @property
    def places(self) -> bool:
        """True where it says itself who does what, but for the inventory and the engine."""
        return any(getattr(self, name) is not None for name in PLACING - {"inventory", "engine"})

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


def spelt(name: str) -> str:
    """Option on the command line, such as `--learning-rate`."""
    return f"--{name.replace('_', '-')}"
