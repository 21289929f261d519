"""Loss of a run so far as a small picture of block characters. Pure."""

from collections.abc import Sequence

LINES = 4
_MOST_POINTS = 512
_LEVELS = " ▁▂▃▄▅▆▇█"
_LABEL_COLUMNS = 9


class LossCurve:
    """Means of the losses of as many steps each as keep them few."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._sum, self._count, self._steps = 0.0, 0, 1

    def add(self, loss: float) -> None:
        """Take the loss of a step into account."""
        self._sum, self._count = self._sum + loss, self._count + 1
        if self._count < self._steps:
            return
        self._means.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self._means) >= _MOST_POINTS:
            pairs = zip(self._means[::2], self._means[1::2], strict=True)
            self._means, self._steps = [(first + second) / 2 for first, second in pairs], 2 * self._steps

    def lines(self, columns: int) -> list[str]:
        """The picture in so many columns: the highest loss stands beside its first line, the lowest beside its last."""
        bars = columns - _LABEL_COLUMNS
        points = _spread(self._means, bars) if len(self._means) > 1 else []
        if not points or not all(abs(point) < float("inf") for point in points):
            return [""] * LINES
        highest, lowest = max(points), min(points)
        steps = (len(_LEVELS) - 1) * LINES - 1
        levels = [1 + round((point - lowest) / (highest - lowest or 1.0) * steps) for point in points]
        labels = [f"{highest:.4f}", *[""] * (LINES - 2), f"{lowest:.4f}"]
        floors = [(LINES - 1 - line) * (len(_LEVELS) - 1) for line in range(LINES)]
        return [
            f"{label[: _LABEL_COLUMNS - 1]:<{_LABEL_COLUMNS}}"
            + "".join(_LEVELS[min(len(_LEVELS) - 1, max(0, level - floor))] for level in levels)
            for label, floor in zip(labels, floors, strict=True)
        ]


def _spread(values: Sequence[float], columns: int) -> list[float]:
    """The means of as many parts of the values as there are columns; fewer values are stretched."""
    count = len(values)
    parts = (
        values[place * count // columns : max(place * count // columns + 1, (place + 1) * count // columns)]
        for place in range(columns)
    )
    return [sum(part) / len(part) for part in parts]
