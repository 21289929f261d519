"""`picluster` and `python -m picluster`."""

import sys

from picluster.cli.terminal.typeable import typeable
from picluster.errors import MissingError


def main() -> None:
    """Entry point: says so where the packages of the command line are not installed, as on a node."""
    try:
        from picluster.cli.main import main as command
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("picluster"):
            raise
        missing = MissingError(f"{error.name} is not installed here", fix="make setup")
        print(f"error: {typeable(str(missing))}", file=sys.stderr)  # noqa: T201 -- the command line would print it
        sys.exit(missing.exit_code)
    command()


if __name__ == "__main__":
    main()
