"""The registry's phases of the remote program: compose what is sent, read what is answered."""

from __future__ import annotations

import re
from typing import Literal, cast, get_args

from certkit.errors import ErrorKind, HostError, InputError
from certkit.remote.deployment import (
    Deployment,
    DeployReport,
    DeployResult,
    Endpoint,
    LookReport,
    PairFile,
    Plan,
    Why,
)
from certkit.remote.encode import Lines, symbolic
from certkit.remote.exchange import Exchange
from certkit.remote.failures import failure
from certkit.remote.framing import Line, lines_of, nonsense, unhex, unhex_text
from certkit.remote.program import compose
from certkit.remote.report import FileReport

Step = Literal["deploy", "settle", "revert"]

_DEPLOY = ("common", "state", "data", "compare", "place", "serve", "back", "deploy")
_LOOK = ("common", "data", "serve", "look")

# Seconds. An image may come over a slow line; the rest is slack for forks and fsyncs.
_LOCK_WAIT = 15
_PULL = 600
_SLACK = 90
_LOOK_LIMIT = 40

_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*:[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_REASONS = ("content", "mode", "owner")
_FileResult = Literal["same", "changed", "would_change", "foreign"]

# As in `certkit.remote.failures`: kind, message, hint; {0} is the subject, {1} what was said.
_FAILURES: dict[str, tuple[ErrorKind, str, str]] = {
    "no_engine": (ErrorKind.DAEMON, "{0} did not answer: {1}", "start it, or correct engine:"),
    "no_image": (
        ErrorKind.DAEMON,
        "has no image {0}, and it could not be pulled: {1}",
        "load it there ({0}), or correct image:; nothing was changed",
    ),
    "foreign_container": (
        ErrorKind.CONFLICT,
        "has a container {0} that certkit did not start",
        "use run: existing-container, or another name:",
    ),
    "stuck_container": (
        ErrorKind.DAEMON,
        "could not remove the container {0}: {1}",
        "see to the container engine; the same command tries again",
    ),
    "half": (
        ErrorKind.PERMISSION,
        "{0} could not be replaced, and its new key could not be taken back: {1}",
        "free the cause (lsattr, the mount, the disk); the same command finishes it",
    ),
    "no_container": (ErrorKind.DAEMON, "has no container {0}", "start it, or correct name:"),
    "no_unit": (ErrorKind.DAEMON, "systemd knows no unit {0}", "install it, or correct unit:"),
    "no_compose": (
        ErrorKind.DAEMON,
        "has neither docker compose nor docker-compose",
        "install one of them",
    ),
    "compose_refuses": (
        ErrorKind.DAEMON,
        "compose does not understand the project of {0}: {1}",
        "correct project: and file:, or the compose file",
    ),
    "no_service": (
        ErrorKind.DAEMON,
        "the compose project has no service {0}",
        "correct service:, or the compose file",
    ),
    "no_builtin": (
        ErrorKind.SHELL,
        "its shell has no {0} of its own, so the key would be seen in the list of processes",
        "make dash, bash or busybox its /bin/sh",
    ),
}


def deploy(
    deployment: Deployment,
    step: Step = "deploy",
    *,
    check: bool = False,
    force: bool = False,
    operator: str = "",
    nonce: str | None = None,
) -> Exchange:
    """Compose one step of a deployment.

    ``deploy`` places the pair, makes the registry take it up and compares what it serves; where
    that is not the new leaf, the old pair comes back at once. The host keeps the old pair until
    ``settle`` ends the deployment or ``revert`` undoes it.

    Args:
        deployment: What the host should look like.
        step: Which one. Only ``deploy`` sends the pair.
        check: Only look; nothing is written.
        force: Replace files that certkit did not write; the old ones are kept for the way back.
        operator: Who asks, told to whoever finds the host locked.
        nonce: For tests; random by default.

    Raises:
        InputError: Something cannot be sent.
    """
    lines = Lines()
    lines.add("do", step)
    lines.add("check", int(check))
    lines.add("force", int(force))
    lines.add("wait", _LOCK_WAIT)
    if operator:
        lines.add("operator", operator)
    lines.add("way", deployment.way)
    lines.add("limit", deployment.timeout)
    lines.add("want", deployment.want)
    _add_endpoint(lines, deployment.endpoint)
    for key, value in (
        ("engine", deployment.engine),
        ("name", deployment.name),
        ("image", deployment.image),
        ("spec", deployment.spec),
        ("project", deployment.project),
        ("service", deployment.service),
        ("unit", deployment.unit),
        ("command", deployment.command),
    ):
        if value:
            lines.add(key, value)
    lines.add_all("arg", deployment.run)
    lines.add_all("compose", deployment.compose)
    if step == "deploy":
        for content in deployment.known:
            lines.add("known", lines.add_blob(content))
    for file in (deployment.certificate, deployment.key):
        _add_file(lines, file, with_content=step == "deploy")
    limit = 6 * deployment.timeout + _LOCK_WAIT + _SLACK
    pull = _PULL if deployment.way == "container" and step == "deploy" else 0
    return compose(_DEPLOY, lines, nonce, limit + pull)


def look(endpoint: Endpoint, *, nonce: str | None = None) -> Exchange:
    """Compose a look at what is served, from the host; it writes nothing and trusts nothing."""
    lines = Lines()
    _add_endpoint(lines, endpoint)
    return compose(_LOOK, lines, nonce, _LOOK_LIMIT)


def decode_deploy(stdout: bytes, nonce: str) -> DeployReport:
    """Read the answer to `deploy`.

    Raises:
        HostError: What the program reported; nothing was changed then, or all of it undone.
            ``shell`` when it did not run, or not to its end.
    """
    result: DeployReport | None = None
    files: list[FileReport] = []
    said = {"plan": "none", "before": "-", "served": "-", "boot": "yes", "restored": "no"}
    journal: list[str] = []
    for line in _checked(lines_of(stdout, nonce)):
        words = line.rest.split(" ")
        if line.key == "file":
            files.append(_file(words))
        elif line.key == "journal":
            journal = unhex_text(words[0]).splitlines()[-20:]
        elif line.key in said:
            said[line.key] = words[0]
        elif line.key == "result" and len(words) == 3:
            result = DeployReport(
                result=cast(DeployResult, _one_of(words[0], get_args(DeployResult))),
                files=tuple(files),
                plan=cast(Plan, _one_of(said["plan"], get_args(Plan))),
                before=_print(said["before"]),
                served=_print(said["served"]),
                seconds=_number(words[1]) / 100,
                why=cast(Why, _one_of(words[2], get_args(Why))),
                journal=tuple(text[:400] for text in journal),
                at_boot=said["boot"] != "no",
                restored=said["restored"] == "yes",
            )
    if result is None:
        raise nonsense("no word of the deployment's end")
    return result


def decode_look(stdout: bytes, nonce: str) -> LookReport:
    """Read the answer to `look`.

    Raises:
        HostError: As `decode_deploy` does. That nothing is served is not an error.
    """
    said = {line.key: line.rest for line in _checked(lines_of(stdout, nonce))}
    if "served" not in said:
        raise nonsense("no word of what is served")
    return LookReport(
        able=said.get("openssl") == "yes",
        sha256=_print(said["served"]),
        leaf=unhex(said.get("leaf", "")),
        text=" ".join(unhex_text(said.get("text", "")).split())[:300],
    )


def _add_endpoint(lines: Lines, endpoint: Endpoint) -> None:
    host, port = endpoint.connect
    lines.add("connect", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    lines.add("host", endpoint.name.host)
    lines.add("isip", int(endpoint.name.is_ip))


def _add_file(lines: Lines, file: PairFile, *, with_content: bool) -> None:
    parts = file.path.split("/")
    if len(parts) < 4 or parts[0] or not {"", ".", ".."}.isdisjoint(parts[1:]):
        raise InputError(
            f"{file.path[:80]!r} is not a path certkit can place a file at",
            "write an absolute path without . or .., at least two directories deep",
        )
    if not _OWNER.fullmatch(file.owner):
        raise InputError(f"owner {file.owner[:60]!r} of {file.path} is not user:group", "")
    blob = lines.add_blob(file.content) if with_content else 0
    lines.add("file", file.path)
    lines.add("mode", f"{file.mode:04o}")
    lines.add("perm", symbolic(file.mode))
    lines.add("owner", file.owner)
    lines.add("content", blob)


def _checked(lines: list[Line]) -> list[Line]:
    for line in lines:
        if line.key == "error":
            code, subject, detail = (*line.rest.split(" "), "", "")[:3]
            raise _failure(code, unhex_text(subject), unhex_text(detail))
    return lines


def _failure(code: str, subject: str, detail: str) -> HostError:
    if code not in _FAILURES:
        return failure(code, subject, detail)
    kind, message, hint = _FAILURES[code]
    said = " ".join(detail.split())[:300] or "it said nothing"
    return HostError(kind, message.format(subject, said), hint.format(subject, said))


def _file(words: list[str]) -> FileReport:
    if len(words) != 3:
        raise nonsense(" ".join(words))
    given = words[1].split(",")
    return FileReport(
        path=unhex_text(words[2]),
        result=cast(_FileResult, _one_of(words[0], get_args(_FileResult))),
        reason=tuple(reason for reason in _REASONS if reason in given),
    )


def _print(word: str) -> str:
    return word if _FINGERPRINT.fullmatch(word) else ""


def _one_of(word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise nonsense(word)
    return word


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise nonsense(f"not a number: {text}")
    return int(text)
