"""The page as a real browser has it: nothing in its console, nothing asked of others, nothing wider than a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pytest

from picluster.controller.page.page import make_page
from picluster.controller.record.run_folder import RunFolder
from tests.unit.controller.made import RUN_V1

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
FRAME = """<!DOCTYPE html><html lang="en"><meta name="color-scheme" content="light dark"><title></title>
<iframe style="width: {width}px; height: 800px; border: 0" srcdoc="{page}"></iframe><script>onload = () => {{
  const page = frames[0].document;
  document.title = [page.documentElement.scrollWidth, getComputedStyle(page.body).backgroundColor];
}}</script></html>"""
"""A window as narrow as one likes, with a script, which a page's own policy forbids within the page."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BROWSER, reason="there is no browser here: apt-get install chromium"),
]


@dataclass(frozen=True)
class Seen:
    """A page in the browser."""

    console: list[str]
    """What it complains of; the page's own policy makes a complaint of every request."""
    width: int
    paper: str


def seen(page: str, folder: Path, *, width: int, dark: bool) -> Seen:
    """Open the page in a frame, and measure it from outside."""
    file = folder / "frame.html"
    file.write_text(FRAME.format(width=width, page=escape(page)))
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    words += [f"--user-data-dir={folder}/profile", "--enable-logging=stderr", "--dump-dom", "--hide-scrollbars"]
    words += [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    done = subprocess.run([*words, file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(\d+),(.*?)</title>", done.stdout)
    assert title, done.stderr
    return Seen([line for line in done.stderr.splitlines() if "CONSOLE" in line], int(title[1]), title[2])


@pytest.mark.parametrize(
    ("width", "dark", "paper"), [(390, False, "rgb(255, 255, 255)"), (1400, True, "rgb(20, 24, 29)")]
)
def test_a_page_fits_its_window_in_the_theme_and_the_console_is_silent(
    tmp_path: Path, width: int, dark: bool, paper: str
) -> None:
    assert seen(make_page(RunFolder(RUN_V1)), tmp_path, width=width, dark=dark) == Seen([], width, paper)


def test_a_request_and_what_is_too_wide_would_be_seen(tmp_path: Path) -> None:
    bad = "<img src='https://picluster.invalid/a.png'><div style='width: 999px'>wide</div></body>"
    found = seen(make_page(RunFolder(RUN_V1)).replace("</body>", bad), tmp_path, width=390, dark=False)
    assert len(found.console) == 1
    assert found.width > 390
