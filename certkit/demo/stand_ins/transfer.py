"""Pulling and pushing, the part of the ``docker`` stand-in where it counts.

It goes over TLS and trusts only the ``*.crt`` files in the host's own ``certs.d/<registry>``. It
has no exception for loopback addresses, unlike Docker, so a pull on this machine proves something.
"""

from __future__ import annotations

import hashlib
import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from certkit.demo.stand_ins.dial import DialError, connect
from certkit.demo.stand_ins.images import DaemonError, ImageName

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

# The image that every embedded host has been given, so that there is something to push.
LAYER = b"\0" * 10240
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(LAYER).hexdigest()],
        },
    }
).encode()


class Transferred(NamedTuple):
    """An image that has been pulled or pushed.

    Attributes:
        id: The digest of its config.
        digest: The digest of its manifest.
        size: Of the manifest.
    """

    id: str
    digest: str
    size: int


def pull(name: ImageName, etc: Path) -> Transferred:
    """Pull an image, checking every byte against the digests that name it.

    Args:
        name: The image.
        etc: The host's ``/etc``: its ``hosts``, and its trust.

    Raises:
        DaemonError: In Docker's words.
    """
    with closing(_connect(name, etc)) as connection:
        response, content = _ask(
            connection,
            "GET",
            f"/v2/{name.repository}/manifests/{name.reference}",
            headers={"Accept": MANIFEST_TYPE},
        )
        if response.status == http.client.NOT_FOUND:
            raise DaemonError(f"manifest for {name} not found: manifest unknown: manifest unknown")
        _expect(response, content, http.client.OK)
        digest = _digest(content)
        if name.by_digest and digest != name.reference:
            raise DaemonError(f"manifest verification failed for digest {name.reference}")
        manifest = json.loads(content)
        parts = [manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])]
        for part in parts:
            response, blob = _ask(connection, "GET", f"/v2/{name.repository}/blobs/{part}")
            _expect(response, blob, http.client.OK)
            if _digest(blob) != part:
                raise DaemonError(f"filesystem layer verification failed for digest {part}")
    return Transferred(parts[0], digest, len(content))


def push(name: ImageName, etc: Path) -> Transferred:
    """Push the image that every embedded host has, under a name.

    Args:
        name: The name.
        etc: As for `pull`.

    Raises:
        DaemonError: In Docker's words.
    """
    with closing(_connect(name, etc)) as connection:
        for blob in (LAYER, CONFIG):
            base = f"/v2/{name.repository}/blobs"
            response, content = _ask(connection, "HEAD", f"{base}/{_digest(blob)}")
            if response.status == http.client.OK:
                continue
            response, content = _ask(connection, "POST", f"{base}/uploads/")
            _expect(response, content, http.client.ACCEPTED)
            location = response.headers["Location"]
            target = f"{location}{'&' if '?' in location else '?'}digest={_digest(blob)}"
            response, content = _ask(connection, "PUT", target, blob)
            _expect(response, content, http.client.CREATED)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": _describe(CONFIG, CONFIG_TYPE),
                "layers": [_describe(LAYER, LAYER_TYPE)],
            }
        ).encode()
        response, content = _ask(
            connection,
            "PUT",
            f"/v2/{name.repository}/manifests/{name.reference}",
            manifest,
            {"Content-Type": MANIFEST_TYPE},
        )
        _expect(response, content, http.client.CREATED)
    return Transferred(_digest(CONFIG), _digest(manifest), len(manifest))


def _connect(name: ImageName, etc: Path) -> http.client.HTTPConnection:
    trusted = sorted((etc / "docker" / "certs.d" / name.registry).glob("*.crt"))
    try:
        connection = connect(name.registry, etc / "hosts", trusted)
        response, content = _ask(connection, "GET", "/v2/")
    except (DialError, OSError) as error:
        raise DaemonError(f'Get "https://{name.registry}/v2/": {error}') from None
    if response.status != http.client.OK:
        connection.close()
    _expect(response, content, http.client.OK)
    return connection


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    return response, response.read()


def _expect(response: http.client.HTTPResponse, content: bytes, status: int) -> None:
    if response.status != status:
        raise DaemonError(f"unexpected status {response.status}: {_code(content)}")


def _code(content: bytes) -> str:
    try:
        return str(json.loads(content)["errors"][0]["code"])
    except (ValueError, LookupError, TypeError):
        return "unknown"


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _describe(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(blob), "digest": _digest(blob)}
