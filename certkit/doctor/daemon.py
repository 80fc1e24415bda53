"""What the runtime itself says: is it there, does it verify, which proxy, which builders."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from certkit.doctor.finding import Finding
from certkit.doctor.proxies import caught, from_environment, shown
from certkit.errors import ErrorKind
from certkit.names import RegistryReference
from certkit.remote.examined import Answers, Reply
from certkit.remote.survey import RuntimeSurvey
from certkit.runtimes import docker, questions
from certkit.runtimes.state import RuntimeState

_DAEMON = frozenset({ErrorKind.DAEMON})
_TRUST = frozenset({ErrorKind.TRUST})
_NETWORK = frozenset({ErrorKind.NETWORK, ErrorKind.TRUST, ErrorKind.NAME, ErrorKind.NOT_TLS})
_SERVICES = {
    "docker": ("systemctl", "docker"),
    "docker-rootless": ("systemctl --user", "docker"),
}


def judge_daemon(
    report: RuntimeSurvey,
    state: RuntimeState,
    answers: Answers,
    general: Answers,
    reference: RegistryReference,
) -> list[Finding]:
    """Judge a runtime by its own words.

    Args:
        report: The runtime, as found.
        state: The runtime, as it is wanted.
        answers: What it answered.
        general: What the host answered.
        reference: The registry.
    """
    if report.daemon is False:
        return [_down(report, state.settings, answers)]
    return [
        *_desktop(answers, state, reference),
        *_proxy(report, answers, general, reference),
        *_builders(answers, reference),
        *_build(report, answers),
    ]


def _down(report: RuntimeSurvey, path: str, answers: Answers) -> Finding:
    text = answers.files.get(path)
    manager, service = _SERVICES.get(report.name, ("systemctl", "docker"))
    start = "snap restart docker" if report.name == "docker-snap" else f"{manager} start {service}"
    if text is not None:
        try:
            json.loads(text)
        except ValueError as error:
            return Finding(
                "daemon_json",
                96,
                f"the daemon does not run, and {path} is not valid JSON",
                str(error),
                f"correct {path}, then {start}",
                _DAEMON,
            )
    said = answers.replies.get(questions.INFO, Reply(0, "")).text
    return Finding(
        "daemon_down",
        95,
        f"the {report.name} daemon does not run",
        _line(said) or "no answer",
        f"{start}; journalctl -u docker -n 20 tells why it stopped",
        _DAEMON,
    )


def _desktop(answers: Answers, state: RuntimeState, reference: RegistryReference) -> list[Finding]:
    """Find the flavour whose daemon lives in a machine of its own and has no /etc of this one."""
    system = str(_info(answers).get("OperatingSystem") or "")
    if "Docker Desktop" not in system:
        return []
    there = f"~/.docker/certs.d/{shlex.quote(reference.text)}"
    trust = next(file.path for file in state.files if f"/{reference.text}/" in file.path)
    return [
        Finding(
            "desktop",
            93,
            "this is Docker Desktop: its daemon reads its user's ~/.docker/certs.d when it starts, "
            "and nothing of the host's /etc",
            f"docker info says {system}",
            f"mkdir -p {there} && cp {shlex.quote(trust)} {there}/ and restart Docker Desktop",
            _TRUST,
        )
    ]


def _proxy(
    report: RuntimeSurvey, answers: Answers, general: Answers, reference: RegistryReference
) -> list[Finding]:
    info = _info(answers)
    proxy, no_proxy = str(info.get("HttpsProxy") or ""), str(info.get("NoProxy") or "")
    place = "the daemon's environment (systemctl edit docker) or daemon.json"
    if report.name == "podman":
        said = general.replies.get(questions.PROXIES)
        proxy, no_proxy = from_environment(said.text if said else "")
        place = "/etc/environment, or containers.conf"
    if not caught(reference, proxy, no_proxy):
        return []
    held = no_proxy or "nothing"
    return [
        Finding(
            "proxy",
            94,
            f"{report.name} asks for the registry through a proxy",
            f"HTTPS_PROXY={shown(proxy)}; NO_PROXY holds {held}",
            f"add {reference.host} to NO_PROXY in {place}, then restart the daemon",
            _NETWORK,
        )
    ]


def _builders(answers: Answers, reference: RegistryReference) -> list[Finding]:
    reply = answers.replies.get(questions.BUILDERS)
    if reply is None or reply.status != 0:
        return []
    findings = []
    for part in re.split(r"^builder ", reply.text, flags=re.MULTILINE)[1:]:
        name, _, config = part.partition("\n")
        if re.search(rf"registry\s*\.\s*[\"']{re.escape(reference.text)}[\"']", config):
            continue
        builder = re.sub(r"\d+$", "", name.strip().removeprefix("buildx_buildkit_"))
        findings.append(
            Finding(
                "builder",
                38,
                f"the builder {builder} does not read the host's trust: builds that push or pull "
                "there fail",
                f"container {name.strip()}, whose buildkitd.toml has no "
                f'[registry."{reference.text}"]',
                f"docker buildx rm {builder}; docker buildx create --name {builder} "
                '--buildkitd-config FILE, with ca = ["…/ca.crt"] in FILE',
            )
        )
    return findings


def _build(report: RuntimeSurvey, answers: Answers) -> list[Finding]:
    reply = answers.replies.get(questions.REGISTERED)
    newer = reply is not None and reply.text.strip() == "yes"
    if not newer or not docker.build_note(report.version, True):
        return []
    return [
        Finding(
            "build_restart",
            25,
            f"Docker {report.version} has not seen every registry's directory yet when it builds; "
            "pulls do",
            "certs.d has changed since the daemon started",
            "systemctl restart docker",
        )
    ]


def _info(answers: Answers) -> dict[str, Any]:
    reply = answers.replies.get(questions.INFO)
    try:
        value = json.loads(reply.text) if reply is not None else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
