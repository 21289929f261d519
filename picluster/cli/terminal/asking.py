"""Questions that a person answers at the terminal."""


def agrees(question: str) -> bool:
    """Ask a question; True where the answer is yes. An end of input is none."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
