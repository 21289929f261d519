"""Questions that a person answers at the terminal."""


def agrees(question: str) -> bool:
    """Ask a question; True where the answer is yes. The end of input is a no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
