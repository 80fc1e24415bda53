"""What the embedded registry holds: blobs, manifests, tags and uploads, all in memory.

This is the content half of the OCI distribution specification 1.1, without HTTP.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from dataclasses import dataclass, field

# https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests
REPOSITORY = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")


def digest_of(content: bytes) -> str:
    """Return the ``sha256:...`` digest that addresses `content`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class DistributionError(Exception):
    """A refusal, with the HTTP status and the code that the specification gives it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Manifest:
    """One manifest as it was pushed, byte for byte, since its digest is over the bytes."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The digest that the manifest is pulled by."""
        return digest_of(self.content)


@dataclass
class _Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)


class Content:
    """The repositories of one registry; safe to use from many threads."""

    def __init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.RLock()

    def blob(self, name: str, digest: str) -> bytes:
        """Return a blob of a repository.

        Raises:
            DistributionError: 404; there is no such repository or blob.
        """
        with self._lock:
            try:
                return self._existing(name).blobs[digest]
            except KeyError:
                raise DistributionError(404, "BLOB_UNKNOWN", "blob unknown to registry") from None

    def add_blob(self, name: str, digest: str, content: bytes) -> None:
        """Store a whole blob.

        Raises:
            DistributionError: 400; the content is not what the digest says.
        """
        if not _DIGEST.fullmatch(digest) or digest_of(content) != digest:
            raise DistributionError(
                400, "DIGEST_INVALID", "provided digest did not match uploaded content"
            )
        with self._lock:
            self._made(name).blobs[digest] = content

    def manifest(self, name: str, reference: str) -> Manifest:
        """Return a manifest by tag or digest.

        Raises:
            DistributionError: 404; there is no such repository or manifest.
        """
        with self._lock:
            repository = self._existing(name)
            try:
                return repository.manifests[repository.tags.get(reference, reference)]
            except KeyError:
                raise DistributionError(404, "MANIFEST_UNKNOWN", "manifest unknown") from None

    def add_manifest(self, name: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under its digest and, where `reference` is one, a tag.

        Raises:
            DistributionError: 400 or 404; it is not JSON, its digest is not the one it is pushed
                by, or something it names is not here yet.
        """
        by_digest = bool(_DIGEST.fullmatch(reference))
        if by_digest and reference != manifest.digest:
            raise DistributionError(
                400, "DIGEST_INVALID", "provided digest did not match uploaded content"
            )
        if not by_digest and not _TAG.fullmatch(reference):
            raise DistributionError(400, "TAG_INVALID", "manifest tag did not match URI")
        with self._lock:
            repository = self._made(name)
            _refuse_incomplete(manifest, repository)
            repository.manifests[manifest.digest] = manifest
            if not by_digest:
                repository.tags[reference] = manifest.digest

    def delete_manifest(self, name: str, reference: str) -> None:
        """Remove a tag, or a manifest with all its tags.

        Raises:
            DistributionError: 404; there is no such repository or manifest.
        """
        with self._lock:
            repository = self._existing(name)
            digest = self.manifest(name, reference).digest
            if reference in repository.tags:
                del repository.tags[reference]
                return
            del repository.manifests[digest]
            repository.tags = {tag: one for tag, one in repository.tags.items() if one != digest}

    def tags(self, name: str) -> list[str]:
        """Return a repository's tags in the order the specification asks for.

        Raises:
            DistributionError: 404; there is no such repository.
        """
        with self._lock:
            return sorted(self._existing(name).tags, key=lambda tag: (tag.lower(), tag))

    def start_upload(self, name: str) -> str:
        """Begin an upload and return its name."""
        upload = str(uuid.uuid4())
        with self._lock:
            self._made(name).uploads[upload] = bytearray()
        return upload

    def append(self, name: str, upload: str, part: bytes, start: int | None = None) -> int:
        """Add bytes to an upload and return how many it holds.

        Args:
            name: The repository.
            upload: What `start_upload` returned.
            part: The bytes; none, to ask for the size only.
            start: Where the client says that they begin; None when it does not say.

        Raises:
            DistributionError: 404, no such upload; 416, the bytes do not follow on the last ones.
        """
        with self._lock:
            held = self._upload(name, upload)
            if start is not None and start != len(held):
                raise DistributionError(416, "BLOB_UPLOAD_INVALID", "chunk is out of order")
            held += part
            return len(held)

    def finish_upload(self, name: str, upload: str, digest: str) -> None:
        """Turn an upload into a blob.

        Raises:
            DistributionError: 404, no such upload; 400, its content is not what the digest says.
        """
        with self._lock:
            self.add_blob(name, digest, bytes(self._upload(name, upload)))
            del self._repositories[name].uploads[upload]

    def cancel_upload(self, name: str, upload: str) -> None:
        """Forget an upload.

        Raises:
            DistributionError: 404; there is no such upload.
        """
        with self._lock:
            self._upload(name, upload)
            del self._repositories[name].uploads[upload]

    def _existing(self, name: str) -> _Repository:
        try:
            return self._repositories[name]
        except KeyError:
            raise DistributionError(
                404, "NAME_UNKNOWN", "repository name not known to registry"
            ) from None

    def _made(self, name: str) -> _Repository:
        return self._repositories.setdefault(name, _Repository())

    def _upload(self, name: str, upload: str) -> bytearray:
        try:
            return self._existing(name).uploads[upload]
        except KeyError:
            raise DistributionError(
                404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"
            ) from None


def _refuse_incomplete(manifest: Manifest, repository: _Repository) -> None:
    try:
        document = json.loads(manifest.content)
        blobs = [layer["digest"] for layer in document.get("layers", [])]
        if "config" in document:
            blobs.append(document["config"]["digest"])
        children = [child["digest"] for child in document.get("manifests", [])]
    except (ValueError, TypeError, AttributeError, KeyError):
        raise DistributionError(400, "MANIFEST_INVALID", "manifest invalid") from None
    if any(one not in repository.blobs for one in blobs) or any(
        one not in repository.manifests for one in children
    ):
        raise DistributionError(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
