"""`picluster cards verify` on what `picluster init` wrote: lines, exit codes, nothing that steers the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Picluster
from tests.unit.controller.first_boot.test_cards import FILE, KEY


@pytest.fixture
def cards(picluster: Picluster, here: Path) -> Path:
    """Folder of the cards of two nodes."""
    (here / "id.pub").write_text(f"{KEY}\n")
    (here / "cluster.yml").write_text(FILE)
    assert picluster("init").code == 0
    return here / "cards"


@pytest.mark.usefixtures("cards")
def test_cards_without_a_mistake_are_told_one_below_the_other(picluster: Picluster) -> None:
    answer = picluster("cards", "verify", "cards/pi1", "cards/pi2")
    assert (answer.code, answer.err) == (0, "")
    assert "cards/pi1\n  system   none: these files are yet to be copied" in answer.out
    assert "  name     pi2\n" in answer.out
    assert "  address  192.168.1.101/24 on the cable, by way of 192.168.1.1\n" in answer.out


@pytest.mark.usefixtures("cards")
def test_a_mistake_has_its_fix_below_it_and_exit_code_3(picluster: Picluster) -> None:
    answer = picluster("cards", "verify", "cards/pi1", "--node", "pi2")
    assert answer.code == 3
    wrong = "  wrong    this is the card of pi1, not of pi2\n           fix: copy the files of cards/pi2\n"
    assert answer.out.endswith(wrong)
    assert answer.err == "error: 1 mistake on 1 card\n  fix: see the lines above\n"


def test_one_card_copied_twice_is_told(picluster: Picluster, cards: Path) -> None:
    for file in cards.glob("pi1/*"):
        (cards / "pi2" / file.name).write_bytes(file.read_bytes())
    answer = picluster("cards", "verify", "cards/pi1", "cards/pi2")
    assert answer.code == 3
    assert "wrong    cards/pi1 and cards/pi2 have the name pi1\n" in answer.out
    assert "wrong    cards/pi1 and cards/pi2 have the address 192.168.1.101\n" in answer.out


def test_a_card_cannot_steer_the_terminal(picluster: Picluster, cards: Path) -> None:
    file = cards / "pi1/user-data"
    file.write_text(file.read_text().replace("hostname: pi1", 'hostname: "pi\\e[2J"'))
    answer = picluster("cards", "verify", "cards/pi1")
    assert "\x1b" not in answer.out
    assert "pi?[2J" in answer.out


def test_a_folder_that_is_none_is_wrong_input(picluster: Picluster) -> None:
    answer = picluster("cards", "verify", "none")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(
        "error: cannot read none: No such file or directory\n  fix: name the folder of the card"
    )
