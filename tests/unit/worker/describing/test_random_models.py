"""Random model files: each is refused by name, or learns the same bits under every plan."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from picluster.errors import InputError
from picluster.schema.model import ModelDescription
from picluster.worker.describing.description import describe
from tests.unit.worker.describing.model_pieces import ModelFile, model_files
from tests.unit.worker.describing.processes import CLASSES, FEATURES, losses

pytest.importorskip("torch_geometric", reason="some layers are its convolutions", exc_type=ImportError)
ROUNDING_ALONE = ("softmax of a row", "cache")
"""The mean of rows that sum to 1 is the same in every call but for its last bit, which no trial tells from noise."""
PATIENT = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


def described_or_refused(file: Path) -> ModelDescription | InputError:
    try:
        return describe(file, FEATURES, CLASSES, {})
    except InputError as refused:
        return refused


def check(folder: Path, model: ModelFile) -> None:
    file = folder / "drawn.py"
    file.write_text(model.text)
    described = described_or_refused(file)
    if isinstance(described, InputError):
        assert not model.is_harmless, f"refused without need: {described}\n{model.text}"
        assert "layer " in described.what
        assert described.fix
        return
    if ROUNDING_ALONE in pairwise(model.statements):
        return
    assert not model.is_harmful, f"taken: {model.text}"
    depth = len(described.layers)
    everything = tuple(range(1, depth + 1))
    single = losses(file, [everything], 1)
    for cuts, replicas in (([everything], 3), ([(number,) for number in everything], 1)):
        found = losses(file, cuts, replicas)
        assert found[0] == single[0], model.text
        assert all(map(torch.equal, found[1], single[1])), model.text


@pytest.mark.slow
@pytest.mark.thorough
@given(model=model_files())
@settings(max_examples=15, derandomize=True, suppress_health_check=PATIENT)
def test_a_random_model_file_is_refused_by_name_or_learns_the_same_under_every_plan(
    tmp_path: Path, model: ModelFile
) -> None:
    check(tmp_path, model)


@pytest.mark.slow
@given(model=model_files())
@settings(max_examples=25, derandomize=True, suppress_health_check=PATIENT)
def test_many_random_model_files_are_refused_by_name_or_learn_the_same_under_every_plan(
    tmp_path: Path, model: ModelFile
) -> None:
    check(tmp_path, model)
