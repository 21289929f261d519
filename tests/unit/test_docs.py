"""What the documentation shows must work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="models need torch: make setup")

from picluster.worker.model import describe

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_models_of_the_documentation_can_be_described(tmp_path: Path) -> None:
    model, layer = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert "SageLayer" in model
    file = tmp_path / "my.py"
    file.write_text(model)
    assert [each.name for each in describe(file, 6, 3, {}).layers] == ["SageLayer", "SageLayer"]
    file.write_text(layer + model.replace("SageLayer", "MyLayer").replace("Layer, MyLayer", "Layer"))
    assert [each.name for each in describe(file, 6, 3, {"depth": 3}).layers] == ["MyLayer"] * 3
