"""The stand-ins: what they trust, and the words they say it in."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from certkit.demo.host import EmbeddedHost
from certkit.demo.registry import Registry
from certkit.demo.stand_ins import docker, openssl
from certkit.demo.stand_ins.dial import split_reference
from certkit.demo.stand_ins.images import ImageName, Images
from certkit.demo.stand_ins.template import TemplateError, render
from tests.unit.demo.conftest import NAME, ServedRegistry, issue, trust

Captured = pytest.CaptureFixture[str]


def run(host: EmbeddedHost, *arguments: str) -> int:
    return docker.main(["--host-directory", str(host.directory), *arguments])


def handshake(host: EmbeddedHost, reference: str, authority: Path, name: str = NAME) -> int:
    return openssl.main(
        [
            *("--host-directory", str(host.directory), "s_client", "-brief", "-connect"),
            *(reference, "-servername", name, "-CAfile", str(authority), "-verify_hostname", name),
            "-verify_return_error",
        ]
    )


def test_push_and_pull_by_tag_and_digest(
    host: EmbeddedHost, served: ServedRegistry, capsys: Captured
) -> None:
    trust(host, served)
    image = f"{served.reference}/hello:1"
    assert run(host, "push", image) == 0
    digest = capsys.readouterr().out.split("digest: ")[1].split()[0]
    by_digest = f"{served.reference}/hello@{digest}"
    assert run(host, "image", "rm", image) == 0
    for one in (image, by_digest):
        assert run(host, "pull", one) == 0
        assert f"Digest: {digest}" in capsys.readouterr().out
        template = "{{range .RepoDigests}}{{println .}}{{end}}"
        assert run(host, "image", "inspect", "--format", template, one) == 0
        assert capsys.readouterr().out.split() == [by_digest]
    assert run(host, "rmi", image) == 0
    assert run(host, "image", "inspect", "--format", "{{.Id}}", image) == 1


@pytest.mark.parametrize("file", [None, "ca.pem", "ca.cert", "CA.CRT"])
def test_without_a_crt_file_nothing_is_trusted(
    host: EmbeddedHost, served: ServedRegistry, file: str | None, capsys: Captured
) -> None:
    if file is not None:
        trust(host, served, file)
    assert run(host, "pull", f"{served.reference}/hello:1") == 1
    assert capsys.readouterr().err == (
        f'Error response from daemon: Get "https://{served.reference}/v2/": tls: failed to verify '
        "certificate: x509: certificate signed by unknown authority\n"
    )


def test_an_image_that_does_not_exist(
    host: EmbeddedHost, served: ServedRegistry, capsys: Captured
) -> None:
    trust(host, served)
    image = f"{served.reference}/certkit-probe/none:0"
    assert run(host, "pull", image) == 1
    assert capsys.readouterr().err == (
        f"Error response from daemon: manifest for {image} not found: "
        "manifest unknown: manifest unknown\n"
    )


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [
        ("other.demo", 1, f"x509: certificate is valid for other.demo, not {NAME}"),
        (NAME, -1, "x509: certificate has expired or is not yet valid"),
    ],
)
def test_a_certificate_that_does_not_hold(
    host: EmbeddedHost, tmp_path: Path, name: str, days: int, words: str, capsys: Captured
) -> None:
    authority, certificate, key = issue(tmp_path / "bad", name, days)
    with Registry() as registry:
        registry.serve(certificate, key)
        served = ServedRegistry(registry, authority)
        trust(host, served)
        assert run(host, "pull", f"{served.reference}/hello:1") == 1
        assert words in capsys.readouterr().err
        assert handshake(host, served.reference, authority) == 1
        assert "Verify return code: " in capsys.readouterr().out


def test_a_registry_that_is_not_there(host: EmbeddedHost, capsys: Captured) -> None:
    # Held, so that nobody else listens there meanwhile.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert run(host, "pull", f"{NAME}:{port}/hello") == 1
    assert f"dial tcp 127.0.0.1:{port}: connect: connection refused" in capsys.readouterr().err
    assert run(host, "pull", f"elsewhere.demo:{port}/hello") == 1
    assert "dial tcp: lookup elsewhere.demo: no such host" in capsys.readouterr().err


def test_a_registry_without_tls(host: EmbeddedHost, capsys: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert run(host, "pull", f"{NAME}:{server.getsockname()[1]}/hello") == 1
        thread.join()
    assert "http: server gave HTTP response to HTTPS client" in capsys.readouterr().err


def test_the_handshake_trusts_the_given_file_only(
    host: EmbeddedHost, served: ServedRegistry, tmp_path: Path, capsys: Captured
) -> None:
    assert handshake(host, served.reference, served.authority) == 0
    assert "Verify return code: 0 (ok)" in capsys.readouterr().out
    other, _, _ = issue(tmp_path / "other", NAME)
    assert handshake(host, served.reference, other) == 1
    assert handshake(host, served.reference, served.authority, "other.demo") == 1


def test_what_certkit_asks_of_a_daemon(host: EmbeddedHost, capsys: Captured) -> None:
    socket_option = ("--host", "unix:///var/run/docker.sock")
    assert run(host, *socket_option, "version", "--format", "{{.Server.Version}}") == 0
    facts = "{{.ServerVersion}}|{{.ContainersRunning}}|{{.LiveRestoreEnabled}}|{{json .Driver}}"
    assert run(host, *socket_option, "info", "--format", facts) == 0
    assert capsys.readouterr().out == '28.0.0-stand-in\n28.0.0-stand-in|0|false|"stand-in"\n'
    assert run(host, *socket_option, "info", "--format", "{{json .RegistryConfig}}") == 0
    assert json.loads(capsys.readouterr().out)["InsecureRegistryCIDRs"] == []


def test_a_tag_that_moves_leaves_its_image(tmp_path: Path) -> None:
    images = Images(tmp_path / "images.json")
    name = ImageName.parse("r.demo/a/b:1")
    assert images.add("id-1", name, "sha256:1")
    assert not images.add("id-1", name, "sha256:1")
    assert images.add("id-2", name, "sha256:2")
    found = images.find(name)
    assert found is not None and found.id == "id-2"
    old = images.find(ImageName.parse("r.demo/a/b@sha256:1"))
    assert old is not None and (old.id, old.tags) == ("id-1", ())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("r.demo:5/a/b", ("r.demo:5", "a/b", "latest")),
        ("r.demo/a:1", ("r.demo", "a", "1")),
        ("r.demo/a@sha256:0", ("r.demo", "a", "sha256:0")),
    ],
)
def test_image_names(text: str, parts: tuple[str, str, str]) -> None:
    assert ImageName.parse(text) == ImageName(*parts)


def test_an_image_name_without_a_registry_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid reference format"):
        ImageName.parse("hello:1")


@pytest.mark.parametrize(
    ("text", "parts"),
    [("r.demo", ("r.demo", 443)), ("r.demo:5", ("r.demo", 5)), ("[::1]:5", ("::1", 5))],
)
def test_where_a_reference_leads(text: str, parts: tuple[str, int]) -> None:
    assert split_reference(text) == parts


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.A.B}}", "1"),
        ("{{json .A}}", '{"B": 1}'),
        ("{{range .C}}{{println .}}{{end}}", "x\ny\n"),
        ("{{ len .C }} {{.D}}", "2 true"),
        ("{{if .A}}", None),
        ("{{.Z}}", None),
        ("{{range .D}}{{end}}", None),
    ],
)
def test_templates(template: str, text: str | None) -> None:
    data = {"A": {"B": 1}, "C": ["x", "y"], "D": True}
    if text is None:
        with pytest.raises(TemplateError):
            render(template, data)
    else:
        assert render(template, data) == text
