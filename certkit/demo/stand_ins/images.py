"""The images that an embedded host holds: which names stand for which manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

DEFAULT_TAG = "latest"


class DaemonError(Exception):
    """What Docker would print after ``Error response from daemon:``."""


class ImageName(NamedTuple):
    """An image name in its parts: ``registry/repository:tag`` or ``...@digest``.

    Attributes:
        registry: As it stands in the name, port included.
        repository: The path below the registry.
        reference: A tag, or a digest.
    """

    registry: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Read an image name that names its registry.

        Raises:
            ValueError: It names none; the text says so as Docker would.
        """
        registry, slash, rest = text.partition("/")
        name, at, reference = rest.partition("@")
        if not at:
            name, _, reference = rest.partition(":")
        if not slash or not name or ("." not in registry and ":" not in registry):
            raise ValueError("invalid reference format")
        return cls(registry, name, reference or DEFAULT_TAG)

    @property
    def by_digest(self) -> bool:
        """Whether it names a digest and no tag."""
        return ":" in self.reference

    @property
    def name(self) -> str:
        """The name without tag or digest."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.name}{'@' if self.by_digest else ':'}{self.reference}"


class Image(NamedTuple):
    """One image: its id (the digest of its config) and all names it goes by."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]


class Images:
    """The images of one host, in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, name: ImageName) -> Image | None:
        """Return the image that goes by this name, if there is one."""
        text = str(name)
        return next((one for one in self._load() if text in (*one.tags, *one.digests)), None)

    def add(self, identifier: str, name: ImageName, digest: str) -> bool:
        """Note a pulled or pushed image; returns whether anything is new."""
        images = self._load()
        old = next((one for one in images if one.id == identifier), Image(identifier, (), ()))
        tags = () if name.by_digest else (str(name),)
        new = Image(
            identifier,
            tuple(dict.fromkeys((*old.tags, *tags))),
            tuple(dict.fromkeys((*old.digests, f"{name.name}@{digest}"))),
        )
        # A tag that moves to another image leaves the one that it stood for.
        others = [
            Image(one.id, tuple(tag for tag in one.tags if tag not in tags), one.digests)
            for one in images
            if one.id != identifier
        ]
        self._save([*others, new])
        return new != old

    def remove(self, name: ImageName) -> list[str]:
        """Take a name away, and the image with it when no tag is left; returns what was done."""
        image = self.find(name)
        if image is None:
            return []
        tags = tuple(tag for tag in image.tags if tag != str(name))
        digests = tuple(one for one in image.digests if one != str(name))
        others = [one for one in self._load() if one.id != image.id]
        if tags or (name.by_digest and digests):
            self._save([*others, Image(image.id, tags, digests)])
            return [f"Untagged: {name}"]
        self._save(others)
        gone = dict.fromkeys((str(name), *image.digests))
        return [*(f"Untagged: {one}" for one in gone), f"Deleted: {image.id}"]

    def _load(self) -> list[Image]:
        try:
            documents = json.loads(self._path.read_text())
        except FileNotFoundError:
            return []
        return [Image(one["id"], tuple(one["tags"]), tuple(one["digests"])) for one in documents]

    def _save(self, images: list[Image]) -> None:
        beside = self._path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps([one._asdict() for one in images]))
        beside.replace(self._path)
