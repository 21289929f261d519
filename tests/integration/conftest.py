"""Fixtures of real runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.desk import CHECKOUT, Desk, make_desk

pytest.importorskip("torch", reason="workers need torch: make setup")


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk with a space")
    return make_desk(folder)


@pytest.fixture
def cora_input() -> str:
    """Folder of raw files with real Cora in PyG's form."""
    folder = Path(os.environ.get("PICLUSTER_INPUT") or CHECKOUT / "input").absolute()
    if not (folder / "planetoid" / "ind.cora.x").exists():
        pytest.skip(f"real Cora (planetoid/ind.cora.*) is not in {folder}; name its place with PICLUSTER_INPUT")
    return str(folder)
