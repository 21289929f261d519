"""A live picture that leaves no ghosts when its terminal becomes narrower, and so breaks the lines that stand there."""

from rich.console import ConsoleRenderable
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment


class SteadyLive(Live):
    """Takes the last picture back line by line, as the terminal shows it now, before it draws the next.

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
