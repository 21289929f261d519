"""The console and the tables of all screens."""

import os
import textwrap
from collections.abc import Sequence

from rich.console import Console, ConsoleRenderable
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.table import Table
from rich.text import Text

_ANY_WIDTH = 10_000
NARROW = 70
"""Columns below which rows of a table that is too wide are paragraphs."""
_FULL, _NEARLY_FULL = 0.95, 0.8
HARD_SPACE = "\N{NO-BREAK SPACE}"


class Screen(Console):
    """Console that prints text as it stands: names of nodes, runs and files may look like rich's markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False, markup=False)

    @property
    def can_draw(self) -> bool:
        """True for a terminal whose cursor can be moved; colours may be forced elsewhere, too."""
        return self.file.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    def tell(self, *parts: str | Text, style: str = "") -> None:
        """Print a line that the terminal alone wraps, so that paths and commands in it can be copied."""
        self.print(*parts, sep="", style=style, soft_wrap=True)

    def fill(self, text: str, *, indent: int, style: str = "") -> None:
        """Print a text that is broken between words, its further lines indented."""
        told = textwrap.fill(text, self.width, subsequent_indent=" " * indent, break_on_hyphens=False)
        self.tell(told, style=style)

    def show(self, table: Table, title: str = "") -> None:
        """Print a table below its title. Where it is too wide for the terminal, its columns stand closer.

        Where that is not enough on a narrow terminal, each row is a paragraph that begins with its name.
        """
        if not self.fits(table):
            table.padding = (0, 1, 0, 0)
        if title:
            self.tell(f"\n{title}", style="bold")
        if self.width >= NARROW or self.fits(table):
            self.print(table)
            return
        heads = [str(column.header).replace("-\n", "").replace("\n", " ") for column in table.columns]
        for name, *cells in zip(*(column.cells for column in table.columns), strict=True):
            parts = [f"{head} {cell}".strip() for head, cell in zip(heads[1:], cells, strict=True) if str(cell)]
            for line in paragraph(str(name), parts, self.width):
                self.print(line)

    def fits(self, table: Table) -> bool:
        """True where no cell needs a second line."""
        return self.measure(table, options=self.options.update(max_width=_ANY_WIDTH)).maximum <= self.width


class SteadyLive(Live):
    """Takes the last live picture back line by line, as the terminal shows it now, before it draws the next.

    A terminal that became narrower has broken its lines into more, which would stay as ghosts.

    A terminal that cuts lines off instead of breaking them loses as many of the lines above.
    """

    _drawn: tuple[int, ...] = ()
    """Columns of each line that was drawn last."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Put before what is drawn the way to where the last picture begins."""
        columns = self.console.width
        more = sum(-(-drawn // columns) - 1 for drawn in self._drawn if drawn)
        upwards = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * more
        lines = self.console.render_lines(self.renderable, pad=False)
        self._drawn = tuple(map(Segment.get_line_length, lines[: self.console.height]))
        processed = super().process_renderables(renderables)
        return [Control((ControlType.ERASE_IN_LINE, 2), *upwards), *processed] if more else processed


def fullness_style(share: float, plenty: str = "") -> str:
    """Style of a share of memory that is in use, loud where little is left; `plenty` where that is not so."""
    return "red" if share > _FULL else "yellow" if share > _NEARLY_FULL else plenty


def paragraph(name: str, parts: Sequence[str], width: int) -> list[Text]:
    """A name, and below it what belongs to it, broken between the parts."""
    told = ", ".join(part.replace(" ", HARD_SPACE) for part in parts)
    lines = textwrap.wrap(told, max(1, width - 2), break_on_hyphens=False)
    return [Text(name, style="bold"), *(Text(f"  {line.replace(HARD_SPACE, ' ')}") for line in lines)]


def plain_table(words: Sequence[str] = (), numbers: Sequence[str] = ()) -> Table:
    """Table without lines, its columns of words before those of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in words:
        table.add_column(head, overflow="fold")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table
