"""What the runtime itself says: is it there, does it verify, which proxy, which builders."""

from __future__ import annotations

import json
import re
from typing import Any

from certkit.doctor.finding import Finding
from certkit.doctor.proxies import caught, from_environment, shown
from certkit.errors import ErrorKind
from certkit.names import RegistryReference
from certkit.remote.examined import Answers, Reply
from certkit.remote.report import RuntimeReport
from certkit.runtimes import answers as meaning
from certkit.runtimes import docker, questions

_DAEMON = frozenset({ErrorKind.DAEMON})
_NETWORK = frozenset({ErrorKind.NETWORK, ErrorKind.TRUST, ErrorKind.NAME, ErrorKind.NOT_TLS})
_TRUST = frozenset({ErrorKind.TRUST})
_SERVICES = {
    "docker": ("systemctl", "docker"),
    "docker-rootless": ("systemctl --user", "docker"),
}


def judge_daemon(
    report: RuntimeReport,
    answers: Answers,
    general: Answers,
    reference: RegistryReference,
    addresses: tuple[str, ...],
) -> list[Finding]:
    """Judge a runtime by its own words.

    Args:
        report: The runtime, as found.
        answers: What it answered.
        general: What the host answered.
        reference: The registry.
        addresses: Its addresses, as the host resolves them.
    """
    if report.daemon is False:
        return [_down(report, answers)]
    return [
        *_insecure(report, answers, reference, addresses),
        *_proxy(report, answers, general, reference),
        *_builders(answers, reference),
        *_build(report, answers),
    ]


def _down(report: RuntimeReport, answers: Answers) -> Finding:
    path = questions.DAEMON_FILES.get(report.name, "")
    text = answers.files.get(path)
    manager, service = _SERVICES.get(report.name, ("systemctl", "docker"))
    start = "snap restart docker" if report.name == "docker-snap" else f"{manager} start {service}"
    if text is not None:
        try:
            json.loads(text)
        except ValueError as error:
            return Finding(
                "daemon-json",
                96,
                f"the daemon does not run, and {path} is not valid JSON",
                str(error),
                f"correct {path}, then {start}",
                _DAEMON,
            )
    said = answers.replies.get(questions.INFO, Reply(0, "")).text
    return Finding(
        "daemon-down",
        95,
        f"the {report.name} daemon does not run",
        _line(said) or "no answer",
        f"{start}; journalctl -u docker -n 20 tells why it stopped",
        _DAEMON,
    )


def _insecure(
    report: RuntimeReport,
    answers: Answers,
    reference: RegistryReference,
    addresses: tuple[str, ...],
) -> list[Finding]:
    reason = meaning.unproven(report.name, reference, report.verification, addresses)
    if not reason:
        return []
    path = questions.DAEMON_FILES.get(report.name, questions.REGISTRIES_CONF)
    cure = f"take it out of insecure-registries in {path} (leave []), then systemctl reload docker"
    if report.name == "podman":
        cure = f"remove insecure = true in {path}"
    elif reference.is_loopback:
        cure = "use a name that is not loopback"
    return [
        Finding(
            "insecure",
            # It works for this reason alone: whatever else is wrong does not show.
            97,
            "verification is off for this registry: pulls work, and prove nothing",
            reason,
            cure,
            _TRUST,
        )
    ]


def _proxy(
    report: RuntimeReport, answers: Answers, general: Answers, reference: RegistryReference
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


def _build(report: RuntimeReport, answers: Answers) -> list[Finding]:
    reply = answers.replies.get(questions.REGISTERED)
    newer = reply is not None and reply.text.strip() == "yes"
    if not newer or not docker.build_note(report.version, True):
        return []
    return [
        Finding(
            "build-restart",
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
