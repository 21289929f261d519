"""The nodes' health as a person sees it, at 80 columns."""

from __future__ import annotations

import pytest

from picluster.cli.show.health_tables import show_health
from picluster.controller.health.findings import judge
from picluster.controller.health.findings_node import Patient
from picluster.errors import RunFailed
from picluster.schema.health import Health
from picluster.schema.record import from_json, to_json
from tests.unit.controller.healthy import a_patient, links_between

Captured = pytest.CaptureFixture[str]


def four() -> Health:
    """One of each kind."""
    gone = Patient(name="pi4", errors={"ssh": RunFailed("192.168.1.104 port 22 does not answer", fix="switch it on")})
    hot = a_patient("pi2", facts={"celsius": 81.0})
    loops = {"name_addresses": ("127.0.1.1",)}
    patients = [a_patient("pi1", facts=loops), hot, a_patient("pi3", facts=loops), gone]
    return judge(patients, links_between("pi1", "pi2", "pi3"))


def shown(health: Health, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    show_health(health)
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


def test_nodes_stand_side_by_side_with_a_fix_for_each_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert (
        shown(four(), monkeypatch, capsys)
        == """
nodes: memory in MiB, disk in GiB free, clock in s against this one
node  state    processor  torch   free     of  disk  clock  °C
pi1   ready    Pi 4 B     2.9.1  3,072  4,096  20.0  +0.01  48
pi2   warning  Pi 4 B     2.9.1  3,072  4,096  20.0  +0.01  81
pi3   ready    Pi 4 B     2.9.1  3,072  4,096  20.0  +0.01  48
pi4   problem  –          –          –      –     –      –   –

links: Mbit/s at best, and to the slowest peer; longest round trip, ms
node  interface  address        best  slowest   to  trip
pi1   eth0       192.168.1.101   940      940  pi2  0.30
pi2   eth0       192.168.1.101   940      940  pi1  0.30
pi3   eth0       192.168.1.101   940      940  pi1  0.30
pi4   –          –                 –        –    –     –

problem  pi4: 192.168.1.104 port 22 does not answer
         fix: switch it on
warning  pi2: its processor has 81 °C; it slows down from 80 on
         fix: a heat sink or a fan, and air
note     pi1, pi3: its own host name resolves to 127.0.1.1 there, which is no address for peers
         fix: none needed: picluster goes by addresses; other programs may not

3 of 4 nodes ready; not ready: pi4"""
    )


def test_ten_nodes_with_long_names_fit_too(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    names = [f"shelf-{number}.attic.lan" for number in range(10)]
    text = shown(judge([a_patient(name) for name in names], links_between(*names)), monkeypatch, capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("all 10 nodes ready")


def test_what_concerns_all_names_nobody(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    slow = {"governor": "powersave"}
    text = shown(judge([a_patient(name, facts=slow) for name in ("pi1", "pi2")], []), monkeypatch, capsys)
    assert "warning  all 2 nodes: its processor is kept at its lowest speed" in text


def test_what_would_steer_the_terminal_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    locked = {"package_locks": ("apt\x1b[2J",)}
    assert "\x1b" not in shown(judge([a_patient("pi\x1b[1", facts=locked)], []), monkeypatch, capsys)


def test_health_survives_the_way_through_json() -> None:
    assert from_json(Health, to_json(four()), source="here") == four()
