"""Records of every kind, and their way through JSON."""

import importlib
import json
import pkgutil
import secrets
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import picluster.schema
from picluster.errors import InputError
from picluster.schema.events import AnyEvent, Recorded, WorkerEvent
from picluster.schema.facts import Claimed
from picluster.schema.graph import GraphMeta
from picluster.schema.job import Endpoint, Job, Start
from picluster.schema.model import ModelDescription
from picluster.schema.plan import Plan
from picluster.schema.record import Record, Timestamp, from_json, to_json
from picluster.schema.report import Percentiles, Report
from picluster.schema.run import Controller, Environment, Manifest, Result, Run
from picluster.schema.spec import Spec
from tests.unit.schema.drawing import plans, specs, values

VERSIONED = (Environment, GraphMeta, Job, Manifest, ModelDescription, Plan, Report, Result, Run, Spec)
ENDPOINT = Endpoint(node="pi1", address="127.0.0.1", port=4242)
START = Start(endpoints=(ENDPOINT,), token=secrets.token_hex(32), silence_seconds=60.0)


def every_struct() -> list[type[msgspec.Struct]]:
    names = [module.name for module in pkgutil.iter_modules(picluster.schema.__path__, "picluster.schema.")]
    found = [value for name in names for value in vars(importlib.import_module(name)).values()]
    return list({kind.__name__: kind for kind in found if isinstance(kind, type) and issubclass(kind, Record)}.values())


@pytest.mark.parametrize("since", [-1.0, 1e12, 1e300])
def test_a_time_that_no_date_can_say_is_refused(since: float) -> None:
    with pytest.raises(msgspec.ValidationError, match="since"):
        msgspec.convert({"run": "a", "node": "pi1", "since": since, "pid": 1, "group": 1}, Claimed)


@pytest.mark.parametrize("kind", every_struct())
def test_every_record_is_frozen_and_refuses_unknown_keys(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        START.token = ""  # type: ignore[misc]


def test_fields_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        Endpoint("pi1", "127.0.0.1", 4242)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", VERSIONED)
def test_what_is_read_by_another_version_says_its_own(kind: type[msgspec.Struct]) -> None:
    first = msgspec.structs.fields(kind)[0]
    assert first.name == "schema_version"
    assert isinstance(first.default, int)
    assert first.default >= 1


def test_a_record_of_another_version_is_refused_by_its_version() -> None:
    page = json.dumps({**json.loads(to_json(Manifest(epoch=1, files={}))), "schema_version": 99, "news": True})
    with pytest.raises(InputError, match="a test has schema version 99; this picluster reads 1"):
        from_json(Manifest, page, source="a test")


@given(specs())
def test_a_spec_survives_json(spec: Spec) -> None:
    assert from_json(Spec, to_json(spec), source="a test") == spec


@given(plans())
def test_a_plan_survives_json(plan: Plan) -> None:
    assert from_json(Plan, to_json(plan), source="a test") == plan


@settings(max_examples=25)
@given(values(Job))
def test_a_job_survives_json(job: Job) -> None:
    assert from_json(Job, to_json(job), source="a test") == job


@pytest.mark.parametrize("kind", [Environment, Manifest, ModelDescription, Result, Percentiles, Controller])
@settings(max_examples=25)
@given(data=st.data())
def test_other_records_survive_json(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(values(kind))
    assert from_json(kind, to_json(record), source="a test") == record


@pytest.mark.parametrize("kind", get_args(AnyEvent))
@settings(max_examples=25)
@given(data=st.data())
def test_every_event_is_told_apart_by_its_kind_after_json(kind: type[Record], data: st.DataObject) -> None:
    recorded = Recorded(time=data.draw(values(Timestamp)), node=data.draw(st.text()), event=data.draw(values(kind)))
    assert from_json(Recorded, to_json(recorded), source="a test") == recorded


@settings(max_examples=50)
@given(values(WorkerEvent))
def test_an_event_is_one_line(event: Record) -> None:
    assert b"\n" not in to_json(event)


def test_a_worker_cannot_tell_of_its_own_end() -> None:
    with pytest.raises(msgspec.ValidationError, match="ended"):
        msgspec.json.decode(b'{"kind":"ended","exit_code":0,"signal":null}', type=WorkerEvent)


@given(plans())
def test_a_readable_page_says_the_same_as_the_line(plan: Plan) -> None:
    page = to_json(plan, indent=True)
    assert page.endswith(b"}\n")
    assert json.loads(page) == json.loads(to_json(plan))


def _with(changes: dict[str, Any]) -> str:
    return json.dumps(json.loads(to_json(ENDPOINT)) | changes)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "it is empty"),
        ("{", "it ends too early"),
        ("{\n  no JSON}", "line 2 cannot be understood"),
        ("[]", "it must be a group of names and values, and is a list"),
        ("{}", "'node' is missing"),
        (_with({"colour": "red"}), "'colour' is unknown"),
        (_with({"port": "4242"}), "port must be a whole number or nothing, and is a text"),
        (_with({"address": None}), "address must be a text, and is nothing"),
    ],
)
def test_wrong_json_is_an_input_error_that_names_source_and_place(text: str, place: str) -> None:
    with pytest.raises(InputError, match=rf"^there\.json is not a valid endpoint: .*({place})"):
        from_json(Endpoint, text, source="there.json")


@given(st.binary(max_size=40))
def test_no_bytes_whatever_end_in_another_error(text: bytes) -> None:
    with pytest.raises(InputError):
        from_json(Start, text, source="somewhere")


def test_a_check_of_the_record_itself_names_the_source_too() -> None:
    plan = '{"strategy":"single","engine":"gloo","sampler":["a"],"stages":[{"layers":[2],"nodes":["a"]}]}'
    with pytest.raises(InputError, match=r"layers 1, 2, 3"):
        from_json(Plan, plan, source="plan.json")
