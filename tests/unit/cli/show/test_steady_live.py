"""What is drawn again and again, in a terminal whose width changes."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from picluster.cli.show.screen import SteadyLive


def test_lines_that_a_narrower_terminal_has_broken_are_taken_back_in_all_their_parts() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, legacy_windows=False)
    assert isinstance(console.file, io.StringIO)
    live = SteadyLive(console=console, auto_refresh=False, get_renderable=lambda: Text("x" * 70 + "\n\n" + "y" * 10))
    with live:
        live.refresh()
        before = len(console.file.getvalue())
        live.refresh()
        calm = console.file.getvalue()[before:].count("\x1b[1A")
        console.width = 30
        before = len(console.file.getvalue())
        live.refresh()
        narrow = console.file.getvalue()[before:].count("\x1b[1A")
    assert (calm, narrow) == (2, 2 + 2)  # 70 columns are three lines of 30
