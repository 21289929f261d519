"""Answers of the programs on nodes, and what follows from facts of any values."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from picluster.agent.answering import VERSION
from picluster.cli.show.health_tables import show_health
from picluster.controller.health.findings import judge
from picluster.controller.nodes.fitness import notes, unfit, without_engine
from picluster.controller.planning.planner import make_plan
from picluster.controller.record.leader import this_controller
from picluster.errors import PiclusterError
from picluster.schema import agent
from picluster.schema.facts import Claimed
from tests.fuzz.inputs import FUZZ, altered, as_text, damaged, refusal
from tests.unit.controller.healthy import FACTS, SEEN, WORKS, a_patient, links_between
from tests.unit.controller.made import a_graph, a_model, a_spec, facts_of

CLAIM = Claimed("2026-run", "pi3", is_exclusive=True, controller=this_controller(), pid=1, group=1, since=0.0)
STRONG = msgspec.structs.replace(SEEN, memory_bytes=1 << 32, cores=4, claims=(CLAIM,), lacking=("features.npy",))
ASKED: list[tuple[agent.Question[Any], msgspec.Struct]] = [
    (agent.Look(name="pi1", home="/x", cache="/y", graph="cora", wanted={"features.npy": [1, 2]}), STRONG),
    (agent.FindRoutes(peers=["10.0.0.2"]), agent.Routes(routes={"10.0.0.2": ("10.0.0.1", "eth0")})),
    (
        agent.BecomeWorker(folders=["/x"], files={}, environment={}, command=["x"], unit=""),
        agent.Started(error="it cannot"),
    ),
    (agent.TellClaims(), agent.Claims(claims=(CLAIM,))),
    (agent.CountOomKills(), agent.OomKills(oom_kills=3)),
    (agent.EndGroups(groups=[1]), agent.GroupsEnded(gone=(1,))),
    (agent.TellTime(), agent.Time(time=1.5)),
    (agent.Examine(folder="/x"), FACTS),
    (agent.TryTorch(python="/x", trial="y"), WORKS),
    (agent.Listen(address="10.0.0.1", greeting="x"), agent.Listening(port=1, error="")),
    (
        agent.MeasureLink(address="10.0.0.1", port=1, greeting="x"),
        agent.LinkTrial(error="", round_trip_ms=0.3, mbit_per_second=940.0),
    ),
]
LINES = [
    (question, {"version": VERSION, "refusal": "", "answer": msgspec.to_builtins(told)}) for question, told in ASKED
]


@st.composite
def answers(draw: st.DrawFn) -> tuple[agent.Question[Any], bytes]:
    """A question, and a line that comes for an answer."""
    question, told = draw(st.sampled_from(LINES))
    line = draw(st.one_of(altered([told]).map(as_text), damaged([as_text(told)])))
    return question, line


@FUZZ
@given(answer=answers())
def test_an_answer_is_understood_or_told_to_be_none(answer: tuple[agent.Question[Any], bytes]) -> None:
    question, line = answer

    def read() -> None:
        with suppress(msgspec.DecodeError):  # whoever asks says how the program ended
            use(question.read_answer(line))

    refusal(read)


def use(told: object) -> None:
    """As the controller does."""
    if isinstance(told, type(SEEN)):
        errors: list[PiclusterError | None] = [
            unfit(told, "/opt/picluster", {"features.npy": 1 << 20}),
            without_engine(told.packages, "mpi"),
        ]
        assert all(error is None or error.what for error in errors)
        notes({"pi1": told, "pi2": SEEN})
        facts = [msgspec.structs.replace(told, name="pi1"), *facts_of("pi2"), STRONG]
        make_plan(
            facts, a_spec(), a_model(), a_graph(train=9), strategy="layer-split", engine="gloo", layers_per_node=None
        )
    elif isinstance(told, type(FACTS)):
        fields = msgspec.structs.asdict(told)
        show_health(judge([a_patient("pi1", facts=fields), a_patient("pi2")], links_between("pi1", "pi2")))
    elif isinstance(told, type(WORKS)):
        show_health(judge([a_patient("pi1", torch=told), a_patient("pi2")], links_between("pi1", "pi2")))
    elif isinstance(told, agent.LinkTrial):
        trial = {"round_trip_ms": told.round_trip_ms, "mbit_per_second": told.mbit_per_second}
        links = [msgspec.structs.replace(each, problem=told.error, **trial) for each in links_between("pi1", "pi2")]
        show_health(judge([a_patient("pi1"), a_patient("pi2")], links))
    elif isinstance(told, agent.Time):
        ahead = told.time - time.time()
        show_health(judge([a_patient("pi1", clock_seconds=ahead), a_patient("pi2")], links_between("pi1", "pi2")))
