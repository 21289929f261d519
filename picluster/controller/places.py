"""Where the project's own files lie: in the folder where the person works, else in the checkout of this package."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def find(relative: str) -> Path:
    """The file of the working folder where it exists, else that of the checkout (whether it exists or not)."""
    here = Path(relative)
    return here if here.exists() else CHECKOUT / relative
