"""Lines and tables as a terminal of some width shows them."""

from __future__ import annotations

import pytest

from picluster.cli.show.screen import Screen, plain_table

Captured = pytest.CaptureFixture[str]


def a_table() -> list[list[str]]:
    return [["local1", "1,024", "7"], ["local2", "9", "1,234"]]


def shown(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    table = plain_table(["node"], ["sent", "received"])
    for row in a_table():
        table.add_row(*row)
    Screen().show(table, "bytes over the wire")
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_stands_below_a_title_that_may_be_wider(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert shown(80, monkeypatch, capsys) == [
        "",
        "bytes over the wire",
        "node     sent  received",
        "local1  1,024         7",
        "local2      9     1,234",
    ]


def test_columns_stand_closer_where_they_would_not_fit(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert shown(22, monkeypatch, capsys)[2:] == [
        "node    sent received",
        "local1 1,024        7",
        "local2     9    1,234",
    ]


@pytest.mark.parametrize("text", ["[red]x[/red]", "a :smile: b", "1.5 and 'words' and http://here", "x" * 200])
def test_a_line_is_told_as_it_stands(text: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Screen().tell(text)
    assert capsys.readouterr().out == f"{text}\n"
