"""Ansible module: edits the kernel's command line, in the cmdline.txt that a Raspberry Pi really boots.

Where it is not certain which file that is, nothing is written: a flag in the wrong file looks done and does nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.boot_files import WORD, UnclearError, booted_file, read_line, waiting_file, words_of

DOCUMENTATION = """
module: boot_cmdline
short_description: Edits words of the kernel's command line, in the cmdline.txt that a Raspberry Pi really boots
options:
  present: {description: Words to add., type: list, elements: str, default: []}
  absent: {description: Words to remove., type: list, elements: str, default: []}
  restore: {description: Undo what this module has done., type: bool, default: false}
  root: {description: Root of the file system; tests have trees of their own., type: path, default: /}
"""

RECORD = "var/lib/picluster/boot_cmdline.json"
BACKUP = ".before-picluster"


def edit(text: str, present: list[str], absent: list[str]) -> str:
    """Line without some words and with others at its end, where they win; all else as it was."""
    for match in reversed(list(WORD.finditer(text))):
        if match.group() in absent:
            before, after = text[: match.start()], text[match.end() :]
            text = before.rstrip() + after if before.strip() else before + after.lstrip(" \t")
    line = text.rstrip("\r\n")
    end = text[len(line) :]
    for word in present:
        if word not in words_of(line):
            line += word if line.endswith((" ", "\t")) or not line else f" {word}"
    return line + end


def write(file: Path, text: str) -> None:
    """Write aside, to the disk, and rename: a card that is pulled out has the old line or the new one."""
    aside = file.with_name(f".{file.name}.picluster")
    with aside.open("wb") as stream:
        stream.write(text.encode("latin-1"))
        stream.flush()
        os.fsync(stream.fileno())
    if file.exists():
        shutil.copymode(file, aside)
    aside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Record:
    """Record of this module's changes, to undo them: words, and for each line as written the line as found."""

    def __init__(self, root: Path) -> None:
        self.file = root / RECORD
        told = json.loads(self.file.read_text(encoding="utf-8")) if self.file.is_file() else {}
        self.added: list[str] = told.get("added", [])
        self.removed: list[str] = told.get("removed", [])
        self.lines: dict[str, str] = told.get("lines", {})

    def undone(self, text: str) -> str:
        """Line as it was found where nobody else has changed it since; else the line without picluster's words."""
        return self.lines.get(text) or edit(text, self.removed, self.added)

    def remember(self, before: str, after: str) -> None:
        """Record with one more change."""
        self.lines[after] = self.lines.pop(before, before)
        self.added += [word for word in words_of(after) if word not in (*words_of(before), *self.added)]
        self.removed += [word for word in words_of(before) if word not in (*words_of(after), *self.removed)]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        told = {"added": self.added, "removed": self.removed, "lines": self.lines}
        write(self.file, json.dumps(told, indent=2) + "\n")


def carry_out(edits: Mapping[Path, tuple[str, str]], record: Record, *, restore: bool) -> None:
    """Write the record, then the lines: a node that dies in between can still be reset."""
    for file, (before, after) in edits.items():
        backup = file.with_name(file.name + BACKUP)
        if not restore and before != after:
            record.remember(before, after)
            if not backup.exists():
                write(backup, before)
        if before != after:
            write(file, after)
        if restore:
            backup.unlink(missing_ok=True)
    if restore:
        record.file.unlink(missing_ok=True)


def has_effect(running: Sequence[str], present: Sequence[str], absent: Sequence[str] = ()) -> bool:
    """Tell whether a kernel was started so: of words that contradict each other the last one counts."""
    told = [word for word in running if word in (*present, *absent)]
    return {*present} <= {*told} and (not told or told[-1] in present)


def run(root: Path, present: list[str], absent: list[str], *, restore: bool, check: bool) -> dict[str, object]:
    """Find, edit and write the command line; returns what Ansible shows."""
    record = Record(root)
    if restore and not record.file.is_file():
        return {"changed": False, "reboot_needed": False}
    file, boot = booted_file(root, {*present, *record.added, *record.removed})
    edits = {}
    for each in (file, *waiting_file(boot, file)):
        text = read_line(each)
        edits[each] = (text, record.undone(text) if restore else edit(text, present, absent))
    if not check:
        carry_out(edits, record, restore=restore)
    before, after = edits[file]
    old, new, running = words_of(before), words_of(after), words_of((root / "proc/cmdline").read_text("latin-1"))
    return {
        "changed": restore or any(old != new for old, new in edits.values()),
        "path": str(file),
        "before": before,
        "after": after,
        "added": [word for word in new if word not in old],
        "removed": [word for word in old if word not in new],
        "reboot_needed": has_effect(running, record.added) if restore else not has_effect(running, present, absent),
        "diff": {"before_header": str(file), "after_header": str(file), "before": before, "after": after},
    }


def main() -> None:
    """Read Ansible's arguments, act, and answer."""
    words = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "present": words,
            "absent": words,
            "restore": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        answer = run(
            Path(given["root"]), given["present"], given["absent"], restore=given["restore"], check=module.check_mode
        )
    except UnclearError as error:
        module.fail_json(msg=f"{error}. Nothing was written")
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    else:
        module.exit_json(**answer)


if __name__ == "__main__":
    main()
