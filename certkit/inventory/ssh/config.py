"""ssh_config, honoured by asking OpenSSH itself: ``ssh -G`` evaluates it, certkit never does.

``ssh -G`` takes some 5 ms, so for 10,000 hosts it is asked only where it can say anything. The
files are scanned for their ``Host`` and ``Match`` lines; a host that matches no stanza with an
option of interest keeps the built-in values, and hosts whose stanzas say the same share one
answer, each with its own HostName, Port and User. Sharing ends where an answer can depend on the
host beyond that: ``Match`` lines, tokens, canonicalisation. Then it is one ``ssh -G`` for each
distinct host, several at a time, as ``ssh`` would read it.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from certkit.errors import InputError
from certkit.inventory.places import shown
from certkit.inventory.ssh.stanzas import Said, Stanzas, scan
from certkit.paths import expanded
from certkit.secret import environment_for_children

SECONDS = 10.0
"""How long one ``ssh -G`` may take; a ``Match exec`` can be slow."""

_SYSTEM = Path("/etc/ssh/ssh_config")
_NONE = "none"


class Query(NamedTuple):
    """What ``ssh`` would be given on its command line.

    Attributes:
        host: The name or address.
        user: The login, where the inventory or the command line says it.
        port: The port, likewise.
    """

    host: str
    user: str | None
    port: int | None


Answer = Mapping[str, tuple[str, ...]]
"""Option in lower case to its values, only where they differ from OpenSSH's built-in ones."""


class SshConfig:
    """The ssh_config that holds for this user.

    Args:
        path: As ``ssh -F`` takes it: a file in place of all others; ``none`` for no file at all;
            None for the user's and the system's.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        home = Path(_home())
        self._files = [home / ".ssh/config", _SYSTEM] if path is None else [path]
        if path is not None and str(path) == _NONE:
            self._files = []
        elif path is not None and not path.is_file():
            raise InputError(f"the ssh_config {shown(path)} does not exist")
        self.origin = str(path) if path is not None else "ssh_config"
        self._stanzas = Stanzas()
        for file in self._files:
            system = file == _SYSTEM
            # An Include is relative to ~/.ssh, or to /etc/ssh in the system's file.
            scan(file, self._stanzas, _SYSTEM.parent if system else home / ".ssh")

    @property
    def silent(self) -> bool:
        """Whether it says nothing of interest about any host."""
        return self._stanzas.silent

    def resolve(self, queries: Iterable[Query]) -> dict[Query, Answer]:
        """Ask about many hosts at once.

        Args:
            queries: The hosts; repetitions cost nothing.

        Returns:
            An answer for each; empty where ssh_config says nothing of interest.

        Raises:
            InputError: OpenSSH refuses the configuration, or takes too long.
        """
        result: dict[Query, Answer] = {}
        shared: dict[tuple[object, ...], list[tuple[Query, Answer]]] = {}
        stanzas = self._stanzas
        known: dict[frozenset[int], tuple[Said, Answer]] = {}
        for query in dict.fromkeys(queries):
            matched = stanzas.matching(query.host)
            if not matched and not stanzas.dynamic:
                result[query] = {}
                continue
            # Host patterns are case-sensitive, the scan is not.
            plain = query.host == query.host.lower()
            key: tuple[object, ...] = (query,)
            own: Answer = {}
            if plain and not stanzas.dynamic and not stanzas.host_specific(matched):
                if matched not in known:
                    known[matched] = (stanzas.said(matched), stanzas.own_of(matched))
                words, own = known[matched]
                key = (words, query.user is None, query.port is None)
            shared.setdefault(key, []).append((query, own))
        if not shared:
            return result
        from concurrent.futures import ThreadPoolExecutor

        leaders = [members[0][0] for members in shared.values()]
        baseline = self._ask(leaders[0], Path(_NONE))
        with ThreadPoolExecutor(min(16, len(leaders))) as pool:
            answers = list(pool.map(lambda query: self._ask(query, self.path), leaders))
        for (key, members), leader, answer in zip(shared.items(), leaders, answers, strict=True):
            # Of a shared answer, what is each host's own was the leader's.
            leaders_own = frozenset() if key == (leader,) else stanzas.own | {"hostname"}
            common = {
                option: values
                for option, values in answer.items()
                if option not in leaders_own and _is_news(option, values, leader, baseline)
            }
            for query, own in members:
                said = {o: v for o, v in own.items() if _is_news(o, v, query, baseline)}
                result[query] = {**common, **said}
        return result

    def _ask(self, query: Query, path: Path | None) -> dict[str, tuple[str, ...]]:
        command = ["ssh", "-G"]
        command += ["-F", str(path)] if path is not None else []
        if str(path) != _NONE:
            command += ["-l", query.user] if query.user is not None else []
            command += ["-p", str(query.port)] if query.port is not None else []
        try:
            done = subprocess.run(
                [*command, "--", query.host],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment_for_children(),
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise InputError(
                f"{self.origin} has settings for {shown(query.host)}, but there is no 'ssh' here "
                "to evaluate them",
                "install the OpenSSH client",
            ) from None
        except OSError as error:
            raise InputError(f"cannot run ssh -G: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise InputError(
                f"ssh -G {shown(query.host)} took longer than {SECONDS:g} s",
                "look for a slow 'Match exec' in ssh_config",
            ) from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise InputError(
                f"OpenSSH refuses its configuration for {shown(query.host)}: "
                f"{shown(said[0], 240) if said else f'status {done.returncode}'}",
                f"run: ssh -G {shlex.quote(query.host)}",
            )
        return _parse(done.stdout.decode("utf-8", "replace"))


def _is_news(option: str, values: tuple[str, ...], query: Query, baseline: Answer) -> bool:
    """Whether it is neither what was asked with nor what ssh says without a configuration."""
    if option == "hostname":
        return values != (query.host,)
    if option in ("user", "port") and getattr(query, option) is not None:
        return False
    return values != baseline.get(option)


def _parse(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        option, _, value = line.partition(" ")
        found.setdefault(option.lower(), []).append(value)
    return {option: tuple(values) for option, values in found.items()}


def split_files(values: Iterable[str]) -> list[str]:
    """Take a list of files apart that ``ssh -G`` prints on one line, without its quotes."""
    files: list[str] = []
    for value in values:
        for word in value.split(" "):
            if word[:1] in ("/", "~", "%", "$") or word == _NONE or not files:
                files.append(word)
            else:  # the rest of a name that has a space in it
                files[-1] += f" {word}"
    return [file for file in files if file]


def expand_path(text: str, query: Query, hostname: str, user: str, port: int) -> Path:
    """Replace ``~``, ``%`` tokens and ``${VARIABLES}`` as OpenSSH does for files.

    Args:
        text: As ``ssh -G`` prints it.
        query: What was asked.
        hostname: The address that came out.
        user: The login that came out.
        port: The port that came out.

    Returns:
        The path.

    Raises:
        InputError: A token or a variable is not known.
    """
    tokens = {
        "%": "%",
        "d": _home(),
        "h": hostname,
        "n": query.host,
        "p": str(port),
        "r": user,
        "u": pwd.getpwuid(os.getuid()).pw_name if "%u" in text else "",
        "i": str(os.getuid()),
        "L": os.uname().nodename.partition(".")[0],
        "l": os.uname().nodename,
        "k": hostname,
    }

    def token(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            raise InputError(
                f"ssh_config: certkit does not know '%{shown(found[1])}' in {shown(text)}"
            )
        return tokens[found[1]]

    def variable(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise InputError(f"ssh_config: the variable {found[1]} in {shown(text)} is not set")
        return os.environ[found[1]]

    path = re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", variable, text)
    path = re.sub(r"%(.)", token, path)
    if path == "~" or path.startswith("~/"):
        path = _home() + path[1:]
    return expanded(path)


@lru_cache(maxsize=1)
def _home() -> str:
    # OpenSSH takes the home from the password database, whatever HOME says.
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return str(Path.home())
