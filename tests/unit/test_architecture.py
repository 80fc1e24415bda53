"""Everything flows one way: who may import whom, as docs/architecture.md says."""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import certkit

ROOT = Path(certkit.__file__).parent
ORDER = (
    ("errors", "paths", "secret", "core_files"),
    ("names", "hostnames"),
    ("pki",),
    ("home",),
    ("inventory",),
    ("runtimes",),
    ("remote",),
    ("transport",),
    ("fleet",),
    ("registry",),
    ("operations",),
    ("doctor",),
    ("demo",),
    ("cli",),
)
# What the table of docs/architecture.md gives each package; the first row goes without saying.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "paths": set(),
    "secret": set(),
    "core_files": set(),
    "names": set(),
    "pki": {"names"},
    "home": {"names", "pki"},
    "inventory": {"names"},
    "runtimes": {"names"},
    "remote": {"names", "runtimes"},
    "transport": {"names", "inventory", "remote"},
    "fleet": {"names", "pki", "inventory", "runtimes", "remote", "transport"},
    "registry": {
        *("names", "pki", "home", "inventory", "runtimes", "remote", "transport", "fleet"),
    },
    "operations": {
        *("names", "pki", "home", "inventory", "transport", "fleet", "registry"),
    },
    "doctor": {"names", "pki", "home", "runtimes", "remote", "transport", "fleet"},
}
# The slow ones, which help and completion must not wait for.
HEAVY = {"paramiko", "cryptography", "yaml", "pydantic", "rich"}
# What is drawn with, and what libraries bring along that certkit has no use for.
UNUSED = {"pydantic", "rich", "invoke", "asyncio", "unittest", "ssl", "xml", "fractions", "jinja2"}
# What comes after a host's answer, or is for other ways of asking.
LATER = {
    *("certkit.cli.render.junit", "certkit.fleet.retire", "certkit.fleet.drift.insecure"),
    *("certkit.fleet.drift.directory", "certkit.fleet.drift.findings", "certkit.fleet.system"),
    *("certkit.remote.survey", "certkit.remote.retire", "certkit.pki.importing"),
    *(
        "certkit.home.keys.keyfile",
        "certkit.inventory.ansible.groups",
        "certkit.inventory.registry_host",
        "certkit.runtimes.daemon_json",
    ),
}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def family(name: str) -> str:
    """Modules beside names.py belong to it: they hold what it is made of."""
    return "names" if (ROOT / f"{name}.py").exists() and name not in ALLOWED else name


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_from_above(path: Path) -> None:
    here = family(package(path))
    if here in ("cli", "demo", "__init__") or (path.name == "__init__.py" and path.parent == ROOT):
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "certkit" or len(parts) == 1:
            continue
        there = family(parts[1])
        allowed = ALLOWED[here] | {here, *ORDER[0]}
        assert there in allowed, f"{here} must not import {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_transport_and_the_demo_know_paramiko(path: Path) -> None:
    without_invoke = "certkit.transport.without_invoke"
    names = set(imported(path))
    if path.name != "without_invoke.py":
        assert not any(name.split(".")[0] == "paramiko" for name in names), without_invoke
    if package(path) not in ("transport", "demo"):
        assert without_invoke not in names


def test_the_fleet_prints_nothing() -> None:
    for path in modules():
        if package(path) in (
            *("fleet", "pki", "runtimes", "remote", "transport", "inventory", "doctor"),
            *("registry", "operations"),
        ):
            names = {
                node.func.id
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not names & {"print", "input"}, path
            assert not {"rich", "typer"} & {name.split(".")[0] for name in imported(path)}, path


def loaded(*arguments: str, status: int = 0) -> tuple[set[str], str]:
    """Return the modules that a call of certkit has imported, and what it printed."""
    program = (
        f"import sys; sys.argv = ['certkit', *{arguments!r}]\n"
        "from certkit.cli.main import run\n"
        f"assert run() == {status}\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ran.stderr.split()), ran.stdout


def test_help_waits_for_nothing_heavy() -> None:
    modules, said = loaded("distribute", "--help")
    assert not modules & HEAVY
    assert "--wave" in said
    modules, said = loaded("--help")
    assert not modules & HEAVY
    assert "rotate" in said
    # Typer takes longer to read the options of all commands than all else together.
    assert not modules & {"certkit.cli.distribute", "certkit.cli.rotate", "certkit.cli.flags"}


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("--version", 0),
        ("schema inventory", 0),
        ("inventory -i {tmp}/hosts.yaml", 0),
        ("doctor --explain x509", 4),
        ("log --home {tmp}/home", 0),
        ("inspect --home {tmp}/home", 0),
        ("rotate status --home {tmp}/home", 0),
        ("renew --if-due 1d --home {tmp}/home", 0),
        ("backup --help", 0),
    ],
)
def test_paramiko_is_imported_to_reach_hosts_and_cryptography_to_open_a_home(
    command: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTKIT_STATE", str(tmp_path / "state"))
    (tmp_path / "hosts.yaml").write_text("registry: registry.lab:5000\nhosts: [web]\n")
    if "--home" in command:
        loaded(
            "init", "registry.lab:5000", f"--home={tmp_path}/home", "--no-passphrase", "-o", "json"
        )
    modules, _ = loaded(*command.format(tmp=tmp_path).split(), status=status)
    assert "paramiko" not in modules
    assert ("cryptography" in modules) == ("--home" in command)


def test_a_quiet_run_imports_nothing_that_it_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTKIT_STATE", str(tmp_path / "state"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        [_, port] = unused.getsockname()
        inventory = tmp_path / "hosts.yaml"
        inventory.write_text(f"hosts:\n  web: {{address: 127.0.0.1, port: {port}}}\n")
        home, hosts = f"--home={tmp_path / 'home'}", f"--inventory={inventory}"
        loaded("init", "registry.example:5000", home, "--no-passphrase", "-o", "json")
        quiet = (home, hosts, "-q", "-o", "json", "--retries=0")
        for command in ("distribute", "verify", "status"):
            modules, said = loaded(command, *quiet, status=1)
            assert json.loads(said)["hosts"][0]["error"]["kind"] == "refused"
            assert "paramiko" in modules and not modules & UNUSED, command
            if command == "distribute":
                assert not modules & LATER
