"""All nodes as `picluster top` shows them, at any width."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from picluster.cli.show.gauge_table import view
from picluster.cli.show.screen import Screen
from picluster.schema.gauges import NodeReading, Occupant, Readings

MEBIBYTE = 1 << 20
WORKER = Occupant(run="2026-11-30-sage-cora-ymbu", role="sampler + stage 1", user="anna", since=0.0)
PI = NodeReading(
    name="pi1",
    local=False,
    seconds_ago=0.4,
    memory_used_bytes=7_123 * MEBIBYTE,
    memory_limit_bytes=7_812 * MEBIBYTE,
    cpu_share=0.934,
    cores=4,
    celsius=61.6,
    throttled=0,
    held_back="no",
    free_bytes=12_700 * MEBIBYTE,
    workers=(WORKER,),
)
IDLE = replace(PI, name="pi2", workers=(), cpu_share=0.02, memory_used_bytes=212 * MEBIBYTE, held_back="before")
GONE = NodeReading(name="pi3", local=False, problem="10.0.0.3 port 22 does not answer", fix="switch it on")
LONG = "raspberry-pi-in-the-living-room"
HOSTILE = ["[red]x[/red]", "\x1b[31mred", "五五五五五五五五五五五五", "a'; echo b", "a\nb"]


def drawn(
    *nodes: NodeReading, columns: int, monkeypatch: pytest.MonkeyPatch, height: int | None = None, every: float = 2.0
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = Screen()
    with screen.capture() as capture:
        screen.print(view(Readings(time=0.0, nodes=nodes), screen, height, every))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_at_80_columns_every_node_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(PI, IDLE, GONE, columns=80, monkeypatch=monkeypatch)
    assert lines[0].startswith("3 nodes, 1 without an answer ")
    assert lines[1:] == [
        "",
        "node    MiB of limit   CPU   °C  throttled  GiB free  at work",
        "pi1   7,123 of 7,812   93%   62         no      12.4  ymbu sampler + stage 1",
        "pi2     212 of 7,812    2%   62     before      12.4  idle",
        "pi3                –     –    –          –         –  no answer",
        "",
        "pi3: 10.0.0.3 port 22 does not answer; switch it on",
    ]


@pytest.mark.parametrize("columns", [40, 50])
def test_on_a_narrow_terminal_names_and_roles_are_whole(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(replace(PI, name=LONG, held_back="now"), GONE, columns=columns, monkeypatch=monkeypatch)
    assert LONG in lines
    assert max(map(cell_len, lines)) <= columns
    told = " ".join(line.strip() for line in lines[lines.index(LONG) + 1 : lines.index("pi3")])
    assert told == "ymbu sampler + stage 1, 7,123 of 7,812 MiB, CPU  93%,  62 °C, 12.4 GiB free, throttled now"


def test_numbers_that_change_leave_the_others_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = replace(PI, cpu_share=1.0, memory_used_bytes=9 * MEBIBYTE, celsius=9.0)
    for columns in (40, 80):
        before, after = (drawn(node, columns=columns, monkeypatch=monkeypatch) for node in (PI, calm))
        assert [len(line) for line in before] == [len(line) for line in after]


def test_a_wide_terminal_has_the_whole_name_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(PI, columns=160, monkeypatch=monkeypatch)[-1].endswith("2026-11-30-sage-cora-ymbu sampler + stage 1")


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_any_kind_are_text(name: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(replace(PI, name=name), columns=columns, monkeypatch=monkeypatch)
    assert max(map(cell_len, lines)) <= columns
    assert any(line.startswith(name.replace("\x1b", "?").replace("\n", "?")) for line in lines)


@pytest.mark.parametrize("columns", [40, 80])
def test_of_more_nodes_than_fit_the_rest_is_counted(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [replace(PI, name=f"pi{number}") for number in range(40)]
    lines = drawn(*nodes, columns=columns, monkeypatch=monkeypatch, height=24)
    assert len(lines) < 24
    shown = sum(line.startswith("pi") for line in lines)
    assert lines[-1] == f"… and {40 - shown} more nodes"


def test_a_node_that_has_not_told_yet_or_not_for_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, silent = NodeReading(name="pi4", local=False), replace(PI, name="pi5", seconds_ago=9.3)
    lines = drawn(waiting, silent, columns=80, monkeypatch=monkeypatch)
    assert lines[3].endswith("connecting")
    assert lines[4].endswith("silent for 9 s")
    assert drawn(silent, columns=80, monkeypatch=monkeypatch, every=60.0)[3].endswith("stage 1")
