"""First start of a card, judged before it happens: what it would do, in plain words, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from picluster.controller.first_boot.card import instance_content
from picluster.controller.first_boot.reading import read_yaml
from picluster.controller.first_boot.verifying.findings import Fact, Finding, Mistake
from picluster.controller.first_boot.verifying.network import judge_network
from picluster.controller.first_boot.verifying.partition import BootPartition
from picluster.controller.first_boot.verifying.user import AGAIN, judge_user
from picluster.errors import InputError

FIRST_WITH_CLOUD_INIT = "2025-11-24"
"""Date of the first image of Raspberry Pi OS that Imager takes for one with cloud-init."""
MEMORY, NO_MEMORY = "cgroup_enable=memory", "cgroup_disable=memory"
_OWN_INSTANCE = re.compile(r"(?P<name>.+)-(?P<content>[0-9a-f]{12})")
_INSTANCE_OF_KERNEL = re.compile(r"\bds=nocloud\S*;(?:i|instance-id)=([^;\s]+)")
_ONCE = "what is edited after the first start is not carried out"
_NEW_CARD = "write the card anew, without Imager's own settings"


@dataclass(frozen=True)
class FirstStart:
    """Facts of a first start, and mistakes."""

    facts: tuple[Fact, ...]
    mistakes: tuple[Mistake, ...]


def judge(partition: BootPartition, wanted: str | None = None) -> FirstStart:
    """Judge a boot partition; `wanted` is the name of the node whose card it should be."""
    found = [*_judge_system(partition), *_judge_seed(partition, wanted), *_judge_kernel(partition)]
    facts = tuple(each for each in found if isinstance(each, Fact))
    return FirstStart(facts, tuple(each for each in found if isinstance(each, Mistake)))


def judge_together(starts: Mapping[str, FirstStart]) -> Iterator[Mistake]:
    """Find the names and addresses that more than one card has."""
    for topic in ("name", "address"):
        holders: dict[str, list[str]] = {}
        for card, verdict in starts.items():
            for key in dict.fromkeys(fact.key for fact in verdict.facts if fact.topic == topic and fact.key):
                holders.setdefault(key, []).append(card)
        for key, cards in holders.items():
            if len(cards) > 1:
                yield Mistake(f"{' and '.join(cards)} have the {topic} {key}", "copy to each card its own files")


def _judge_system(partition: BootPartition) -> Iterator[Finding]:
    if partition.system is None:
        yield Fact("system", "none: these files are yet to be copied to a boot partition")
        return
    date = f", image of {partition.image_date}" if partition.image_date else ""
    yield Fact("system", f"{partition.system}{date}")
    if partition.image_date and partition.image_date < FIRST_WITH_CLOUD_INIT:
        what = (
            f"the image of {partition.image_date} does not read these files: it is from before {FIRST_WITH_CLOUD_INIT}"
        )
        yield Mistake(what, "write a newer image to the card")


def _judge_seed(partition: BootPartition, wanted: str | None) -> Iterator[Finding]:
    read: dict[str, Any] = {}
    for name in ("user-data", "meta-data", "network-config"):
        try:
            read[name] = _parsed(partition, name)
        except InputError as error:
            yield Mistake(error.what, error.fix)
    user_data, meta_data = read.get("user-data"), read.get("meta-data")
    if user_data is not None:
        yield from _judge_name(user_data, meta_data or {}, wanted)
        yield from judge_user(user_data, partition)
    if "network-config" in read:
        yield from judge_network(read["network-config"], radio_waits=partition.system != "Ubuntu")
    if user_data is not None and meta_data is not None:
        yield from _judge_instance(meta_data, instance_content(user_data, read.get("network-config")), partition)


def _parsed(partition: BootPartition, name: str) -> Any:
    """Content of one of cloud-init's files; InputError where cloud-init would pass over it."""
    text = partition.seed.get(name)
    if text is None:
        if name == "network-config":
            return None  # the system's own network
        misnamed = f"{name}.txt" in partition.names
        fix = f"rename {name}.txt: an editor added the ending" if misnamed else AGAIN
        raise InputError(f"{name} is missing: cloud-init does nothing", fix=fix)
    if "\ufffd" in text:
        raise InputError(f"{name} is no text in UTF-8", fix=AGAIN)
    if name == "user-data" and text.splitlines()[:1] != ["#cloud-config"]:
        raise InputError(
            "user-data does not begin with #cloud-config: it is passed over", fix="make that its first line"
        )
    try:
        content = read_yaml(text)
    except InputError as error:
        raise InputError(f"{name}: {error.what}", fix=AGAIN) from None
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{name} is no group of names and values", fix=AGAIN)
    return content if name == "network-config" else content or {}


def _judge_name(user_data: Mapping[str, Any], meta_data: Mapping[str, Any], wanted: str | None) -> Iterator[Finding]:
    told = {"user-data": user_data.get("hostname"), "meta-data": meta_data.get("local-hostname")}
    names = {file: str(name) for file, name in told.items() if name}
    if not names:
        yield Mistake("the card gives no host name", f"hostname: in user-data; {AGAIN}")
        return
    name = next(iter(names.values()))
    yield Fact("name", name, key=name.lower())
    if len({*names.values()}) > 1:
        held = " and ".join(f"{file} is {each}'s" for file, each in names.items())
        yield Mistake(f"{held}: files of two cards", "copy all files of one card")
    if wanted is not None and name != wanted:
        yield Mistake(f"this is the card of {name}, not of {wanted}", f"copy the files of cards/{wanted}")


def _judge_instance(meta_data: Mapping[str, Any], content: str, partition: BootPartition) -> Iterator[Finding]:
    by_kernel = _INSTANCE_OF_KERNEL.search(partition.cmdline or "")
    if by_kernel:
        yield Fact("instance", f"{by_kernel.group(1)}, of {partition.cmdline_file}: {_ONCE}")
        return
    instance = str(meta_data.get("instance-id", ""))
    own = _OWN_INSTANCE.fullmatch(instance)
    if not instance:
        yield Fact("instance", f"without a name: {_ONCE}")
    elif own and own["content"] != content:
        yield Mistake(
            f"user-data and network-config are not those that belong to {instance}: edited, or of two cards",
            "copy all files of one card; after an edit by hand give meta-data another instance-id",
        )


def _judge_kernel(partition: BootPartition) -> Iterator[Finding]:
    if partition.system is None:
        return
    file, text = partition.cmdline_file, partition.cmdline
    if not (text or "").strip():
        yield Mistake(f"{file} is {'missing' if text is None else 'empty'}: the card does not start", _NEW_CARD)
        return
    lines = [line for line in (text or "").splitlines() if line.strip()]
    if len(lines) > 1:
        yield Mistake(f"{file} has {len(lines)} lines: the kernel is told the first alone", "make it one line")
    words = lines[0].split()
    if any(word.startswith("systemd.run=") for word in words):
        yield Mistake(f"{file} starts firstrun.sh, of the settings of Imager 1", _NEW_CARD)
    if "cloud-init=disabled" in words:
        yield Mistake(f"{file} has cloud-init=disabled: these files are not read", "take the word out")
    yield _memory(words, partition)


def _memory(words: list[str], partition: BootPartition) -> Fact:
    """Tell whether the kernel would account memory, which limits and reports need; of two words the last counts."""
    said = [word for word in words if word in (MEMORY, NO_MEMORY)]
    if said[-1:] == [MEMORY]:
        return Fact("memory", f"accounted: {partition.cmdline_file} has {MEMORY}")
    if partition.system == "Ubuntu" and not said:
        return Fact(
            "memory", "accounted, unless the board's firmware says otherwise; make provision looks, and sets it"
        )
    return Fact("memory", f"not accounted until make provision adds {MEMORY} to {partition.cmdline_file}")
