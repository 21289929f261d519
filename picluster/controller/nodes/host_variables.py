"""Variables of one host of an inventory, as far as picluster reads them, with their templates filled in.

`ansible-inventory` hands templates on as they stand; only what is needed is rendered, and without Ansible's plugins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from picluster.errors import InputError

READ = (
    *("ansible_connection", "ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port"),
    *("ansible_user", "ansible_ssh_user", "ansible_ssh_private_key_file", "ansible_private_key_file"),
    *("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"),
    *("picluster_home", "picluster_cache", "picluster_address"),
    *("picluster_memory_mb", "picluster_cores", "picluster_meter"),
)
"""Names of the variables that picluster reads."""
DEEPEST = 10
"""A template may give a template, so often at most."""
_UNSAFE, _VAULT = "__ansible_unsafe", "__ansible_vault"


def host_variables(
    name: str, hosts: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The variables of `READ` that a host has and that are not empty, as text.

    `hosts` has the variables of every host, as they stand in the inventory, `groups` the hosts of every group.

    Raises:
        InputError: one of them is encrypted, no text, or cannot be worked out here.
    """
    own = hosts.get(name, {})
    context = {
        **own,
        "inventory_hostname": name,
        "inventory_hostname_short": name.partition(".")[0],
        "group_names": sorted(group for group, members in groups.items() if name in members and group != "all"),
        "groups": groups,
        "hostvars": hosts,
        "lookup": _lookup,
    }
    values = {variable: _text(name, variable, own[variable], context) for variable in READ if variable in own}
    return {variable: value for variable, value in values.items() if value}


def _text(name: str, variable: str, value: object, context: Mapping[str, Any]) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping) and _UNSAFE in value:
        return str(value[_UNSAFE])
    if isinstance(value, Mapping) and _VAULT in value:
        what = f"{variable} of {name} is encrypted by Ansible Vault, which picluster does not open"
        raise InputError(what, fix="it is no secret: write it in plain text")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{variable} of {name} is {value!r}: it must be a text or a number", fix="write one value")
    try:
        return _render(str(value), context)
    except ValueError as error:
        what = f"{variable} of {name} is {value!r}, which cannot be worked out without Ansible: {error}"
        raise InputError(what, fix="write it in plain, or with variables of the inventory only") from None


def _render(text: str, context: Mapping[str, Any]) -> str:
    """Fill a template in until none is left. ValueError: that cannot be done, and why."""
    if not _is_template(text):
        return text
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    templates = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    for _ in range(DEEPEST):
        try:
            text = templates.from_string(text).render(context)
        except (jinja2.TemplateError, LookupError, TypeError, ArithmeticError) as error:
            is_unread = type(error) is jinja2.TemplateSyntaxError  # an unknown filter is a kind of it
            raise ValueError("its braces do not fit together" if is_unread else str(error)) from None
        if not _is_template(text):
            return text
    raise ValueError("it goes in circles")


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _lookup(kind: str, *names: str) -> str:
    """The one of Ansible's lookups that inventories are fond of."""
    if kind not in ("env", "ansible.builtin.env"):
        raise LookupError(f"lookup {kind!r} is Ansible's")
    return ",".join(os.environ.get(name, "") for name in names)
