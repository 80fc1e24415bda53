"""A small OCI registry over real TLS, on loopback, that keeps everything in memory."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from certkit.demo.content import REPOSITORY, Content, DistributionError, Manifest

_NAME = f"/v2/(?P<name>{REPOSITORY})"
_BLOB = re.compile(f"{_NAME}/blobs/(?P<digest>[a-z0-9]+:[a-f0-9]+)")
_UPLOADS = re.compile(f"{_NAME}/blobs/uploads/?")
_UPLOAD = re.compile(f"{_NAME}/blobs/uploads/(?P<upload>[0-9a-f-]{{36}})")
_MANIFEST = re.compile(f"{_NAME}/manifests/(?P<reference>[A-Za-z0-9_:.-]+)")
_TAGS = re.compile(f"{_NAME}/tags/list")
_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+).*")
_PATIENCE = 10.0
_BODY_LIMIT = 64 * 1024 * 1024


class Registry:
    """Listens from the moment it is made; answers once `serve` has given it a certificate.

    The port has to be known before the certificate is made, since it is part of the name under
    which people will write the registry.
    """

    def __init__(self) -> None:
        self.content = Content()
        self._server = _Server(self.content)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that it listens on."""
        return int(self._server.server_address[1])

    def serve(self, certificate: Path, key: Path) -> None:
        """Answer over TLS with this certificate (leaf first) and key, from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        self._server.context = context
        if self._thread is not None:
            return
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and let go of the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, content: Content) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.context: ssl.SSLContext | None = None

    def finish_request(self, request: object, client_address: object) -> None:
        # Here, in the connection's own thread, and not when it is accepted: a client that stalls
        # in its handshake must not keep the others waiting.
        assert self.context is not None and isinstance(request, socket.socket)
        request.settimeout(_PATIENCE)
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                super().finish_request(tls, client_address)
        except OSError:
            # A client that does not trust the certificate hangs up. That is half of the demo.
            return

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        request.close()

    def server_bind(self) -> None:
        # The base class asks the resolver for this machine's name, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "registry", self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo's terminal belongs to the commands it shows."""

    def _answer(self) -> None:
        try:
            body = self._read_body()
            self._route(body)
        except DistributionError as error:
            document = {"errors": [{"code": error.code, "message": error.message, "detail": None}]}
            self._send(error.status, json.dumps(document).encode(), "application/json")

    def _route(self, body: bytes) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if url.path.rstrip("/") == "/v2" and self.command in {"GET", "HEAD"}:
            self._send(200, b"{}", "application/json")
        elif match := _UPLOADS.fullmatch(url.path):
            self._start_upload(match["name"], query, body)
        elif match := _UPLOAD.fullmatch(url.path):
            self._continue_upload(match["name"], match["upload"], query, body)
        elif match := _BLOB.fullmatch(url.path):
            self._blob(match["name"], match["digest"])
        elif match := _MANIFEST.fullmatch(url.path):
            self._manifest(match["name"], match["reference"], body)
        elif match := _TAGS.fullmatch(url.path):
            self._tags(match["name"], query)
        else:
            raise DistributionError(404, "NAME_INVALID", "invalid repository name")

    def _blob(self, name: str, digest: str) -> None:
        self._allow("GET", "HEAD")
        content = self.server.content.blob(name, digest)
        self._send(200, content, "application/octet-stream", {"Docker-Content-Digest": digest})

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        self._allow("GET", "HEAD", "PUT", "DELETE")
        content = self.server.content
        if self.command == "PUT":
            media_type = self.headers.get("Content-Type", "")
            manifest = Manifest(body, media_type)
            content.add_manifest(name, reference, manifest)
            self._send_created(f"/v2/{name}/manifests/{manifest.digest}", manifest.digest)
        elif self.command == "DELETE":
            content.delete_manifest(name, reference)
            self._send(202)
        else:
            manifest = content.manifest(name, reference)
            headers = {"Docker-Content-Digest": manifest.digest}
            self._send(200, manifest.content, manifest.media_type, headers)

    def _tags(self, name: str, query: dict[str, str]) -> None:
        self._allow("GET")
        tags = self.server.content.tags(name)
        headers = {}
        if last := query.get("last"):
            tags = [tag for tag in tags if (tag.lower(), tag) > (last.lower(), last)]
        if (count := query.get("n", "")).isdecimal() and int(count) < len(tags):
            tags = tags[: int(count)]
            if tags:
                headers["Link"] = f'</v2/{name}/tags/list?n={count}&last={tags[-1]}>; rel="next"'
        document = json.dumps({"name": name, "tags": tags}).encode()
        self._send(200, document, "application/json", headers)

    def _start_upload(self, name: str, query: dict[str, str], body: bytes) -> None:
        self._allow("POST")
        content = self.server.content
        if digest := query.get("digest"):
            content.add_blob(name, digest, body)
            self._send_created(f"/v2/{name}/blobs/{digest}", digest)
            return
        if (digest := query.get("mount")) and (source := query.get("from")):
            try:
                content.add_blob(name, digest, content.blob(source, digest))
            except DistributionError:
                # The specification's answer to a mount that cannot be: upload it, then.
                pass
            else:
                self._send_created(f"/v2/{name}/blobs/{digest}", digest)
                return
        self._send_upload(202, name, content.start_upload(name), 0)

    def _continue_upload(self, name: str, upload: str, query: dict[str, str], body: bytes) -> None:
        self._allow("GET", "PATCH", "PUT", "DELETE")
        content = self.server.content
        if self.command == "DELETE":
            content.cancel_upload(name, upload)
            self._send(204)
            return
        span = _RANGE.fullmatch(self.headers.get("Content-Range", ""))
        held = content.append(name, upload, body, int(span[1]) if span else None)
        if self.command == "PUT":
            digest = query.get("digest", "")
            content.finish_upload(name, upload, digest)
            self._send_created(f"/v2/{name}/blobs/{digest}", digest)
        else:
            self._send_upload(202 if self.command == "PATCH" else 204, name, upload, held)

    def _allow(self, *methods: str) -> None:
        if self.command not in methods:
            raise DistributionError(405, "UNSUPPORTED", "the operation is unsupported")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunked()
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_LIMIT:
            self.close_connection = True
            raise DistributionError(400, "SIZE_INVALID", "invalid content length")
        return self.rfile.read(int(length))

    def _read_chunked(self) -> bytes:
        body = bytearray()
        try:
            while size := int(self.rfile.readline(64).split(b";")[0], 16):
                if not 0 < size <= _BODY_LIMIT - len(body):
                    raise ValueError(size)
                body += self.rfile.read(size)
                self.rfile.readline(64)
        except ValueError:
            self.close_connection = True
            raise DistributionError(400, "SIZE_INVALID", "invalid chunk") from None
        while self.rfile.readline(8192).strip():
            """Trailers are allowed, and of no interest here."""
        return bytes(body)

    def _send_created(self, location: str, digest: str) -> None:
        self._send(201, headers={"Location": location, "Docker-Content-Digest": digest})

    def _send_upload(self, status: int, name: str, upload: str, held: int) -> None:
        location = f"/v2/{name}/blobs/uploads/{upload}"
        headers = {"Location": location, "Range": f"0-{max(held - 1, 0)}"}
        self._send(status, headers=headers | {"Docker-Upload-UUID": upload})

    def _send(
        self,
        status: int,
        content: bytes = b"",
        media_type: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if media_type:
            self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
