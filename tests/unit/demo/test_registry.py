"""The embedded registry, asked over real TLS as the distribution specification has it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from certkit.demo.content import digest_of
from tests.unit.demo.conftest import NAME, ServedRegistry, issue

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
BLOB = b"layer"


class Client:
    """Keeps one connection open, so that the tests see that a request leaves nothing behind."""

    def __init__(self, served: ServedRegistry) -> None:
        context = ssl.create_default_context(cafile=str(served.authority))
        raw = socket.create_connection(("127.0.0.1", served.registry.port), timeout=60)
        self.connection = http.client.HTTPConnection(NAME)
        self.connection.sock = context.wrap_socket(raw, server_hostname=NAME)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        chunked: bool = False,
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        self.connection.request(
            method, path, body=body, headers=headers or {}, encode_chunked=chunked
        )
        response = self.connection.getresponse()
        return response.status, response.read(), response.headers

    def code(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        status, content, _ = self.ask(method, path, body)
        return status, json.loads(content)["errors"][0]["code"]


@pytest.fixture
def client(served: ServedRegistry) -> Iterator[Client]:
    one = Client(served)
    yield one
    one.connection.close()


def manifest_of(blob: bytes) -> bytes:
    part = {"digest": digest_of(blob), "size": len(blob), "mediaType": "application/octet-stream"}
    return json.dumps({"schemaVersion": 2, "config": part, "layers": [part]}).encode()


def push(client: Client, name: str = "team/app", tag: str = "1") -> bytes:
    client.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(BLOB)}", BLOB)
    manifest = manifest_of(BLOB)
    status, _, headers = client.ask(
        "PUT", f"/v2/{name}/manifests/{tag}", manifest, {"Content-Type": MANIFEST_TYPE}
    )
    assert (status, headers["Docker-Content-Digest"]) == (201, digest_of(manifest))
    return manifest


def test_a_ping_says_which_protocol_this_is(client: Client) -> None:
    status, _, headers = client.ask("GET", "/v2/")
    assert status == 200
    assert headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_a_pushed_image_comes_back_by_tag_and_by_digest(client: Client) -> None:
    manifest = push(client)
    for reference in ("1", digest_of(manifest)):
        status, content, headers = client.ask("GET", f"/v2/team/app/manifests/{reference}")
        assert (status, content) == (200, manifest)
        assert headers["Content-Type"] == MANIFEST_TYPE
    assert client.ask("GET", f"/v2/team/app/blobs/{digest_of(BLOB)}")[:2] == (200, BLOB)


def test_head_tells_the_size_and_sends_nothing(client: Client) -> None:
    manifest = push(client)
    status, content, headers = client.ask("HEAD", "/v2/team/app/manifests/1")
    assert (status, content, headers["Content-Length"]) == (200, b"", str(len(manifest)))


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_in_parts(client: Client, chunked: bool) -> None:
    status, _, headers = client.ask("POST", "/v2/app/blobs/uploads/")
    assert status == 202
    location = headers["Location"]
    encoding = {"Transfer-Encoding": "chunked"} if chunked else {}
    body: object = iter([BLOB[:1], BLOB[1:3]]) if chunked else BLOB[:3]
    status, _, headers = client.ask("PATCH", location, body, encoding, chunked=chunked)
    assert (status, headers["Range"]) == (202, "0-2")
    assert client.ask("GET", location)[0] == 204
    out_of_order = {"Content-Range": "1-2"}
    assert client.ask("PATCH", location, BLOB[3:], out_of_order)[0] == 416
    status, _, _ = client.ask("PUT", f"{location}?digest={digest_of(BLOB)}", BLOB[3:])
    assert status == 201
    assert client.ask("GET", f"/v2/app/blobs/{digest_of(BLOB)}")[1] == BLOB
    assert client.code("GET", location) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_can_be_given_up(client: Client) -> None:
    location = client.ask("POST", "/v2/app/blobs/uploads/")[2]["Location"]
    assert client.ask("DELETE", location)[0] == 204
    assert client.code("DELETE", location) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_blob_is_mounted_from_another_repository_when_it_is_there(client: Client) -> None:
    push(client, "first")
    digest = digest_of(BLOB)
    assert client.ask("POST", f"/v2/b/blobs/uploads/?mount={digest}&from=first")[0] == 201
    assert client.ask("POST", f"/v2/c/blobs/uploads/?mount={digest}&from=none")[0] == 202


def test_a_blob_that_is_not_what_its_digest_says_is_refused(client: Client) -> None:
    path = f"/v2/app/blobs/uploads/?digest={digest_of(b'other')}"
    assert client.code("POST", path, BLOB) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/v2/app/manifests/1", manifest_of(b"absent"), (404, "MANIFEST_BLOB_UNKNOWN")),
        ("/v2/app/manifests/1", b"junk", (400, "MANIFEST_INVALID")),
        ("/v2/app/manifests/1", b"[]", (400, "MANIFEST_INVALID")),
        ("/v2/app/manifests/.x", b"{}", (400, "TAG_INVALID")),
        (f"/v2/app/manifests/{digest_of(b'x')}", b"{}", (400, "DIGEST_INVALID")),
    ],
)
def test_a_manifest_that_cannot_be_pulled_is_refused(
    client: Client, path: str, body: bytes, refusal: tuple[int, str]
) -> None:
    assert client.code("PUT", path, body) == refusal


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/v2/none/manifests/1", (404, "NAME_UNKNOWN")),
        ("GET", "/v2/team/app/manifests/2", (404, "MANIFEST_UNKNOWN")),
        ("GET", f"/v2/team/app/blobs/{digest_of(b'?')}", (404, "BLOB_UNKNOWN")),
        ("GET", "/v2/Bad/manifests/1", (404, "NAME_INVALID")),
        ("GET", "/", (404, "NAME_INVALID")),
        ("PUT", f"/v2/team/app/blobs/{digest_of(b'?')}", (405, "UNSUPPORTED")),
    ],
)
def test_what_is_not_there(
    client: Client, method: str, path: str, refusal: tuple[int, str]
) -> None:
    push(client)
    assert client.code(method, path) == refusal


def test_tags_are_listed_page_by_page(client: Client) -> None:
    for tag in ("b", "C", "a"):
        push(client, tag=tag)
    status, content, headers = client.ask("GET", "/v2/team/app/tags/list?n=2")
    assert (status, json.loads(content)["tags"]) == (200, ["a", "b"])
    assert headers["Link"] == '</v2/team/app/tags/list?n=2&last=b>; rel="next"'
    _, content, headers = client.ask("GET", "/v2/team/app/tags/list?n=2&last=b")
    assert (json.loads(content)["tags"], headers["Link"]) == (["C"], None)


def test_deleting_a_tag_leaves_the_manifest_and_deleting_that_leaves_nothing(
    client: Client,
) -> None:
    digest = digest_of(push(client))
    assert client.ask("DELETE", "/v2/team/app/manifests/1")[0] == 202
    assert client.ask("GET", f"/v2/team/app/manifests/{digest}")[0] == 200
    assert client.ask("DELETE", f"/v2/team/app/manifests/{digest}")[0] == 202
    assert client.code("GET", f"/v2/team/app/manifests/{digest}") == (404, "MANIFEST_UNKNOWN")


def test_a_client_that_does_not_trust_it_or_does_not_speak_tls_harms_nobody(
    served: ServedRegistry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address = ("127.0.0.1", served.registry.port)
    other, _, _ = issue(tmp_path / "other", NAME)
    context = ssl.create_default_context(cafile=str(other))
    with (
        socket.create_connection(address) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(raw, server_hostname=NAME)
    with socket.create_connection(address) as raw:
        raw.sendall(b"GET /v2/ HTTP/1.1\r\n\r\n")
    stalled = socket.create_connection(address)
    client = Client(served)
    assert client.ask("GET", "/v2/")[0] == 200
    client.connection.close()
    stalled.close()
    assert capfd.readouterr() == ("", "")
