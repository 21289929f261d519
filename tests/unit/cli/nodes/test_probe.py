"""`picluster probe --read`: what somebody sent, as tables and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.controller.health.bundle_file import write_bundle
from picluster.schema.bundle import Bundle
from picluster.schema.record import from_json
from tests.unit.cli.conftest import Picluster
from tests.unit.controller.health.bundles import a_bundle


@pytest.fixture
def bundle(here: Path) -> Bundle:
    write_bundle(here / "shelf.json", a_bundle())
    return a_bundle()


@pytest.mark.usefixtures("bundle")
def test_a_bundle_is_shown_as_its_bench_and_the_tables_of_doctor_and_report(picluster: Picluster) -> None:
    answer = picluster("probe", "--read", "shelf.json")
    assert (answer.code, answer.err) == (0, "")
    told = "\n".join(line.rstrip() for line in answer.out.splitlines())
    assert "bundle     of 2026-11-30, by picluster 0.1.0" in told
    assert "pages of 16 KiB, firmware 2025/05/08, mmcblk0 SD64G" in " ".join(told.split())
    assert "missing    bench of pi2: busy with run abcd of user joe since 10:00" in told
    assert "pi1      5.5  19.9        310        150    43    2,980" in told
    assert "pi2        –     –          –          –     –        –" in told
    assert "pi2   warning  Pi 4 B     2.9.1" in told
    assert "links: Mbit/s at best, and to the slowest peer; longest round trip, ms" in told
    assert "warning  pi2: its processor has 81 °C; it slows down from 80 on" in told
    assert "memory, MiB (peaks" in told
    assert "a step: ms (medians), KiB over the wire" in told


def test_a_bundle_is_printed_for_programs(picluster: Picluster, bundle: Bundle) -> None:
    answer = picluster("probe", "--read", "shelf.json", "--json")
    assert answer.code == 0
    assert from_json(Bundle, answer.out, source="it") == bundle


@pytest.mark.parametrize("words", [[], ["--read", "plan.json"], ["--read", "none.json"]])
def test_what_is_no_bundle_is_refused_with_a_fix(picluster: Picluster, here: Path, words: list[str]) -> None:
    (here / "plan.json").write_text("{}")
    answer = picluster("probe", *words)
    assert (answer.code, answer.out) == (2, "")
    assert "picluster probe --bundle" in answer.err
