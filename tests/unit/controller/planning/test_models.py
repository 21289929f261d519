"""What the controller asks of `picluster-worker describe`, and what it remembers. Nearly always of a stand-in."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from picluster.controller.planning.models import describe_model, model_file
from picluster.errors import DataError, InputError, MissingError, PiclusterError
from picluster.project import BUNDLED
from picluster.schema.record import to_json
from tests.unit.controller.made import a_model
from tests.unit.controller.stand_in import StandIn, stand_in_python

ANSWER = to_json(a_model()).decode()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "a model's.py"
    file.write_text("# nothing")
    return file


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return stand_in_python(tmp_path, monkeypatch, ANSWER)


@pytest.mark.parametrize("name", ["gcn", "sage"])
def test_a_model_that_comes_along_is_known_by_name(name: str) -> None:
    assert model_file(name) == BUNDLED / "models" / f"{name}.py"


def test_a_person_s_own_model_of_the_same_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sage.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert model_file("sage") == tmp_path / "models" / "sage.py"


def test_a_model_may_be_any_python_file(model: Path) -> None:
    assert model_file(str(model)) == model


@pytest.mark.parametrize("name", ["sagee", "missing.py", "", "models", "/"])
def test_an_unknown_model_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InputError, match=f"there is no model {name}") as caught:
        model_file(name)
    assert {"gcn", "gcnii", "sage"} <= set(caught.value.fix.partition(";")[0].removeprefix("known are ").split(", "))


def test_the_worker_s_program_is_asked_with_quoted_values(model: Path, worker: StandIn) -> None:
    assert describe_model(model, 602, 41, {"hidden": 8, "act": "a'; echo b"}) == a_model()
    question = ["--features=602", "--classes=41", '--option=act="a\'; echo b"', "--option=hidden=8"]
    assert worker.asked == [["-m", "picluster.worker.main", "describe", str(model), *question]]


def test_the_same_question_is_asked_once(model: Path, worker: StandIn) -> None:
    first = describe_model(model, 3, 2, {"hidden": 8, "depth": 2})
    assert describe_model(model, 3, 2, {"depth": 2, "hidden": 8}) == first
    assert len(worker.asked) == 1


def test_a_damaged_memory_is_asked_anew(model: Path, worker: StandIn, tmp_path: Path) -> None:
    describe_model(model, 602, 41, {})
    (cached,) = (tmp_path / "cache" / "picluster" / "models").iterdir()
    cached.write_text("{")
    assert describe_model(model, 602, 41, {}) == a_model()
    assert len(worker.asked) == 2


def test_another_question_or_content_is_asked_anew(model: Path, worker: StandIn) -> None:
    describe_model(model, 3, 2, {})
    describe_model(model, 4, 2, {})
    describe_model(model, 3, 3, {})
    describe_model(model, 3, 2, {"hidden": 8})
    model.write_text("# something")
    describe_model(model, 3, 2, {})
    assert len(worker.asked) == 5


def test_a_refusal_is_not_remembered(model: Path, worker: StandIn) -> None:
    worker.answers(out="", err="error: no", code=2)
    with pytest.raises(InputError):
        describe_model(model, 3, 2, {})
    worker.answers(ANSWER)
    assert describe_model(model, 3, 2, {}) == a_model()


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    model: Path, worker: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert [describe_model(model, 3, 2, {}) for _ in range(2)] == [a_model()] * 2
    assert len(worker.asked) == 2


@pytest.mark.parametrize("kind", [InputError, DataError])
def test_the_worker_s_refusal_arrives_with_kind_words_and_fix(
    model: Path, worker: StandIn, kind: type[PiclusterError]
) -> None:
    worker.answers(
        out="", err="error: model m has no option hiden\n  fix: its options are hidden\n", code=kind.exit_code
    )
    with pytest.raises(kind) as caught:
        describe_model(model, 3, 2, {})
    assert (caught.value.what, caught.value.fix) == ("model m has no option hiden", "its options are hidden")


def test_without_torch_the_error_says_how_to_get_it(model: Path, worker: StandIn) -> None:
    worker.answers(out="", err="Traceback …\nModuleNotFoundError: No module named 'torch'\n", code=1)
    with pytest.raises(MissingError, match="torch is not installed") as caught:
        describe_model(model, 3, 2, {})
    assert caught.value.fix == "make setup"


def test_what_the_model_file_prints_is_told_and_not_taken_for_the_worker_s_words(model: Path, worker: StandIn) -> None:
    told: list[str] = []
    prints = "a model's.py prints: hello\na model's.py prints: error: of its own\n"
    worker.answers(ANSWER, err=prints)
    assert describe_model(model, 3, 2, {}, told.append) == a_model()
    worker.answers(out="", err=f"{prints}error: no\n  fix: yes\n", code=2)
    with pytest.raises(InputError) as caught:
        describe_model(model, 4, 2, {}, told.append)
    assert (caught.value.what, caught.value.fix) == ("no", "yes")
    assert told == prints.splitlines() * 2


@pytest.mark.parametrize(("ending", "how"), [("import os; os._exit(0)", "it\n"), ("import os; os.abort()", "SIGABRT")])
def test_a_model_file_that_ends_the_program_is_told(model: Path, ending: str, how: str) -> None:
    model.write_text(ending)
    with pytest.raises(InputError, match=f"a model's.py ended the program that described .*{how}"):
        describe_model(model, 3, 2, {})


def test_a_description_that_does_not_end_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*_arguments: object, **_options: object) -> None:
        raise subprocess.TimeoutExpired("describe", 300)

    monkeypatch.setattr(subprocess, "run", waits)
    with pytest.raises(InputError, match=r"took longer than 300 s") as caught:
        describe_model(model, 3, 2, {})
    assert "picluster-worker describe '" in caught.value.fix


def test_what_was_not_expected_keeps_its_words(model: Path, worker: StandIn) -> None:
    worker.answers(out="", err="Traceback …\nZeroDivisionError: division by zero\n", code=1)
    with pytest.raises(PiclusterError, match=r"(?s)describing the model .* failed:.*ZeroDivisionError"):
        describe_model(model, 3, 2, {})


def test_an_answer_that_is_no_description_is_refused_with_the_file(model: Path, worker: StandIn) -> None:
    worker.answers(out="hello\n")
    with pytest.raises(InputError, match=r"the description of .*a model's\.py"):
        describe_model(model, 3, 2, {})


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="describing a model needs torch")
@pytest.mark.usefixtures("model")
def test_sage_is_described_by_the_real_program() -> None:
    described = describe_model(model_file("sage"), 7, 3, {"hidden": 5})
    assert described.options == {"hidden": 5, "depth": 2, "dropout": 0.5}
    assert [(layer.aggregated, layer.output) for layer in described.layers] == [
        ({"mean": 7, "self": 7}, {"h": 5}),
        ({"mean": 5, "self": 5}, {"h": 3}),
    ]
    assert [layer.parameters for layer in described.layers] == [(2 * 7 + 1) * 5, (2 * 5 + 1) * 3]
