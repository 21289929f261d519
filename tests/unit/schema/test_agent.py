"""Questions and answers of the programs on nodes: both sides declare the same, and what differs is told."""

from __future__ import annotations

import importlib
from contextlib import closing
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from picluster.agent.answering import VERSION
from picluster.controller.nodes.local import LocalMachine
from picluster.errors import RunFailed
from picluster.schema import agent
from picluster.schema.agent import MeasureLink, Question
from picluster.schema.facts import NodeFacts

TRIAL = {"error": "", "round_trip_ms": 0.3, "mbit_per_second": 940.0}
PROGRAMS = ("steward", "examiner", "gauge", "prober")
FUNCTIONS = {
    do: function
    for program in PROGRAMS
    for do, function in importlib.import_module(f"picluster.agent.{program}").ANSWERS.items()
}
QUESTIONS: dict[str, type[Question[Any]]] = {
    str(kind.__struct_config__.tag): kind for kind in Question.__subclasses__()
}


def test_every_question_has_a_function_and_every_function_a_question() -> None:
    assert QUESTIONS.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("do", sorted(QUESTIONS))
def test_a_question_has_the_fields_that_its_function_takes_with_the_same_types(do: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(QUESTIONS[do]) if field.name != "version"}
    names = {"Answer": dict, "Any": Any}
    taken = get_type_hints(FUNCTIONS[do], localns=names)
    assert fields == {name: kind for name, kind in taken.items() if name != "return"}


def asked(folder: Path) -> dict[str, list[Question[Any]]]:
    """Every question, by the program that answers it."""
    return {
        "steward": [
            agent.Look(name="pi1", home="/nowhere", cache=str(folder), graph="cora", wanted={"meta.json": [1, 2]}),
            agent.FindRoutes(peers=["127.0.0.1"]),
            agent.TellClaims(),
            agent.TellState(run="none", node="pi1"),
            agent.CountOomKills(),
            agent.EndGroups(groups=[]),
            agent.VerifyFiles(folder=str(folder), checksums={"meta.json": "0"}),
            agent.RemoveFolder(folder=str(folder / "run")),
            agent.BecomeWorker(folders=["/proc/no"], files={}, environment={}, command=["x"], unit=""),
        ],
        "examiner": [agent.TellTime(), agent.Examine(folder=str(folder)), agent.TellNames()],
        "gauge": [agent.ReadGauges(folder=str(folder))],
        "prober": [
            agent.TryTorch(python="/nowhere", trial=""),
            agent.RunBench(python="/nowhere", trial=""),
            agent.Listen(address="127.0.0.1", greeting="x"),
            agent.MeasureLink(address="127.0.0.1", port=1, greeting="x"),
        ],
    }


def test_every_answer_of_the_programs_has_exactly_the_fields_of_its_record(tmp_path: Path) -> None:
    questions = asked(tmp_path)
    assert {type(each) for all_of_one in questions.values() for each in all_of_one} == set(QUESTIONS.values())
    with closing(LocalMachine()) as machine:
        for program, all_of_one in questions.items():
            agent_there = machine.agent(program)
            for question in all_of_one:
                answer = agent_there.ask(question)
                assert type(answer) is question.answer_type()


def test_a_fact_that_is_not_told_is_missing_though_the_record_has_a_default() -> None:
    facts = msgspec.to_builtins(NodeFacts(name="pi1"))
    question = agent.Look(name="pi1", home="", cache="", graph="", wanted={})
    assert question.read_answer(msgspec.json.encode({"version": VERSION, "answer": facts})).name == "pi1"
    del facts["cores"]
    with pytest.raises(RunFailed, match="answer to 'look' is not understood: 'cores' is missing"):
        question.read_answer(msgspec.json.encode({"version": VERSION, "answer": facts}))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            {"version": VERSION + 1, "answer": TRIAL},
            f"answers 'measure' in version {VERSION + 1}; this picluster reads",
        ),
        ({"answer": TRIAL}, "'version' is missing"),
        ({"version": VERSION, "answer": {"error": "", "round_trip_ms": 0.3}}, "'mbit_per_second' is missing"),
        ({"version": VERSION, "answer": {**TRIAL, "round_trip_ms": "4"}}, "round_trip_ms must be a number or nothing"),
        ({"version": VERSION, "answer": {**TRIAL, "more": 1}}, "'more' is unknown"),
        ({"version": VERSION, "refusal": "it is unknown"}, "refuses the question 'measure': it is unknown"),
        ({"version": VERSION}, "is not understood: it must be a group of names and values"),
    ],
)
def test_an_answer_other_than_expected_is_told_with_a_fix(reply: dict[str, object], words: str) -> None:
    question = MeasureLink(address="127.0.0.1", port=1, greeting="x")
    with pytest.raises(RunFailed, match=words) as caught:
        question.read_answer(msgspec.json.encode(reply))
    assert caught.value.fix
