"""What ``ssh -G`` said of a host, translated into certkit's settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from certkit.inventory.draft import Layer
from certkit.inventory.places import Place
from certkit.inventory.ssh.arguments import jump_of_command
from certkit.inventory.ssh.config import Answer, Query, expand_path, split_files


def translate(
    answer: Answer, query: Query, address: str, me: str, stronger: Layer, place: Place
) -> Layer:
    """Turn an answer into a layer of settings.

    Args:
        answer: Options that differ from OpenSSH's built-in values.
        query: What was asked.
        address: Where the connection will go, for ``%h``.
        me: Who runs certkit.
        stronger: What the inventory and the command line say; it decides ``%r`` and ``%p``.
        place: The origin of what is taken from the answer.

    Returns:
        The settings; no ``jump`` where there is a ProxyCommand that is no plain jump.

    Raises:
        InputError: A path has a token or a variable that certkit does not know.
    """
    found: dict[str, Any] = {}
    if "user" in answer:
        found["user"] = answer["user"][0]
    if "port" in answer:
        found["port"] = int(answer["port"][0])
    user = stronger["user"][0] if "user" in stronger else found.get("user", me)
    port = stronger["port"][0] if "port" in stronger else found.get("port", 22)

    def path(text: str) -> Path:
        return expand_path(text, query, address, user, port)

    def paths(option: str) -> tuple[Path, ...]:
        names = split_files(answer[option])
        return tuple(path(name) for name in names if name not in ("none", "/dev/null"))

    if "identityfile" in answer:
        found["identity_files"] = paths("identityfile")
    if "certificatefile" in answer and (files := paths("certificatefile")):
        found["certificate_file"] = files[0]
    # known_hosts on /dev/null is the idiom for not checking, which certkit does not do.
    for option, field in (
        ("userknownhostsfile", "known_hosts_files"),
        ("globalknownhostsfile", "global_known_hosts_files"),
    ):
        if option in answer and "/dev/null" not in answer[option]:
            found[field] = paths(option)
    if "identitiesonly" in answer:
        found["identities_only"] = answer["identitiesonly"][0] == "yes"
    if "identityagent" in answer:
        agent = answer["identityagent"][0]
        if agent == "none":
            found["use_agent"] = False
        elif agent.startswith("$"):
            agent = os.environ.get(agent.strip("${}"), "")
        if agent not in ("none", "SSH_AUTH_SOCK", ""):
            found["agent_socket"] = path(agent)
    if "hostkeyalias" in answer:
        found["host_key_alias"] = answer["hostkeyalias"][0]
    if "connecttimeout" in answer and answer["connecttimeout"][0].isdigit():
        found["timeouts.connect"] = int(answer["connecttimeout"][0])
    jump = _jump(answer)
    if jump is not None:
        found["jump"] = jump
    return {field: (value, place) for field, value in found.items()}


def _jump(answer: Answer) -> Sequence[str] | None:
    if "proxyjump" in answer:
        words = answer["proxyjump"][0]
        return () if words == "none" else tuple(words.split(","))
    if "proxycommand" not in answer:
        return None
    command = answer["proxycommand"][0]
    if command == "none":
        return ()
    jump = jump_of_command(command)
    return None if jump is None else (jump,)
