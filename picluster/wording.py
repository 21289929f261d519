"""Words that messages share: counts with nouns, times, names on one line, errors of JSON and YAML in plain English."""

import re
from collections.abc import Sequence

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a group of names and values",
    "null": "nothing",
    "bytes": "a text",
}
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`(?P<limit>[^,]*)(?:, got `(?P<got>[^`]*)`)?")
_PLACE = re.compile(r" - at (?P<key>`key` in )?`\$?(?P<place>[^`]*)`$")
_BYTE = re.compile(r"\(byte (?P<byte>\d+)\)")
_YAML = {
    r"'\t'": "a tab stands where YAML takes spaces",
    "mapping values are not allowed": "a second name with a colon on one line, or a line that is indented too far",
    "<block end>": "it is indented otherwise than the lines around it",
    "expected ':'": "a name lacks its colon",
    "unexpected end of stream": "a quote or a bracket is never closed",
    "expected ',' or": "a bracket is never closed, or a comma is missing",
    "expected the node content": "a bracket is never closed, or a value is missing",
    "undefined alias": "an alias (*) has no anchor (&) before it",
    "cannot start any token": "a value begins with a sign that YAML keeps for itself: put it into quotes",
    "unknown escape": "in double quotes a backslash begins an escape: use single quotes",
    "special characters are not allowed": "it holds what cannot be printed",
}
"""Mistakes in YAML, by the words in which PyYAML reports them."""
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>[^`]*)`")
_QUOTED = ',:"'
"""Separators in a line of text: a name that has one of these stands in quotes."""


def counted(count: int, noun: str, several: str = "") -> str:
    """Count and noun, such as `1 node` or `5 nodes`; `several` is an irregular plural, such as `batches`."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def duration(seconds: float) -> str:
    """Time such as 0:42, 12:05 or 1:02:33."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def printable(name: str, letters: int) -> str:
    """Name without characters that steer a terminal or break a line, cut to `letters`."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= letters else f"{clean[: letters - 1]}…"


def listed_name(name: str, letters: int) -> str:
    """Name as an item of a list within a line of text: in quotes where it contains a separator."""
    clean = printable(name, letters)
    if clean and clean == clean.strip() and not any(letter in clean for letter in _QUOTED):
        return clean
    return '"{}"'.format(clean.replace('"', '""'))


def column_names(names: Sequence[str], classes: int, taken: Sequence[str]) -> list[str]:
    """Names of columns, one for each class, all different; `taken` are those of other columns.

    Without names they are `class_0`, `class_1` …; a name that occurs already, or is empty, gets its class beside it.
    """
    if len(names) != classes:
        return [f"class_{label}" for label in range(classes)]
    used, heads = set(taken), list[str]()
    for label, name in enumerate(names):
        head = name if name.strip() and name not in used else f"{name} (class {label})".strip()
        used.add(head)
        heads.append(head)
    return heads


def in_words(error: Exception, text: bytes | str = b"") -> str:
    """Error of msgspec's parser, or of a text that is not UTF-8, in plain words with its place in `text`."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is no text in UTF-8: see line {_line(text, error.start)}"
    told = str(error)
    found = _PLACE.search(told)
    place = found["place"].removeprefix(".").replace("[...]", ".…") if found else ""
    place = f"a name in {place}" if found and found["key"] else place
    told = told[: found.start()] if found else told
    if field := _FIELD.fullmatch(told):
        told = f"{field['name']!r} is missing" if "missing" in field["what"] else f"{field['name']!r} is unknown"
        return f"{told} in {place}" if place else told
    if expected := _EXPECTED.fullmatch(told):
        limit = expected["limit"].replace(" >= ", " of at least ").replace(" <= ", " of at most ").rstrip()
        got = f", and is {_type(expected['got'])}" if expected["got"] else ""
        return f"{place or 'it'} must be {_type(expected['wanted'])}{limit}{got}"
    if byte := _BYTE.search(told):
        return f"it is no JSON: line {_line(text, int(byte['byte']))} cannot be understood"
    if "truncated" in told:
        return "it is no JSON: it ends too early" if text.strip() else "it is empty"
    return f"{place}: {told}" if place else told


def _type(name: str) -> str:
    return " or ".join(_TYPES.get(each, each) for each in name.split(" | "))


def _line(text: bytes | str, byte: int) -> int:
    content = text.encode() if isinstance(text, str) else text
    return content[:byte].count(b"\n") + 1


def yaml_in_words(problem: str) -> str:
    """Mistake in a line of YAML, from the message of its parser."""
    return next((meaning for words, meaning in _YAML.items() if words in problem), "it cannot be understood")
