"""What `import picluster` offers to people who write Python. A name that is missing here is no promise."""

import inspect
import subprocess
import sys

import pytest

import picluster


def test_these_names_are_public() -> None:
    assert sorted(picluster.__all__) == ["__version__", "launch", "plan", "report", "runs"]
    assert {name: tuple(inspect.signature(getattr(picluster, name)).parameters) for name in picluster.__all__[1:]} == {
        "launch": ("on_event", "on_note", "options"),
        "plan": ("on_note", "options"),
        "report": ("run",),
        "runs": ("tag",),
    }
    with pytest.raises(AttributeError, match="no attribute 'lunch'"):
        picluster.lunch  # noqa: B018


def test_nothing_is_imported_before_it_is_asked_for_and_torch_never() -> None:
    code = """
import sys, picluster
print(sorted(name for name in sys.modules if name.startswith("picluster")))
picluster.launch
print([name for name in ("torch", "typer", "rich") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.splitlines() == ["['picluster']", "[]"]
