"""Questions that a person answers at the terminal."""


def agrees(question: str) -> bool:
    """Whether the answer is yes; an end of input is none."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
