"""Container images made from files, in the format of `docker save`.

The lab pulls nothing from outside. `docker load` and `podman load` both read this format, and it
keeps name, entry point and ports, which `docker import` would have to be told each time.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from tests.fleet.lab import recipe

# A fixed date: the same files always make the same image, with the same id.
_EPOCH = "1970-01-01T00:00:00Z"


class Layer:
    """The one layer of an image: a tar archive put together in memory."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._known: set[str] = set()

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory and the ones above it."""
        for parent in reversed(PurePosixPath(path).parents):
            self._directory_itself(str(parent), 0o755)
        self._directory_itself(path, mode)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self.directory(str(PurePosixPath(path).parent))
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode = len(content), mode
        self._tar.addfile(entry, io.BytesIO(content))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self.directory(str(PurePosixPath(path).parent))
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def bytes(self) -> bytes:
        """The finished archive."""
        self._tar.close()
        return self._buffer.getvalue()

    def _directory_itself(self, path: str, mode: int) -> None:
        name = path.strip("/")
        if not name or name in self._known:
            return
        self._known.add(name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(entry)


def write_image(
    destination: Path, tag: str, layer: Layer, architecture: str, config: dict[str, Any]
) -> None:
    """Write one image of one layer as an archive for `docker load`."""
    layer_bytes = layer.bytes()
    layer_digest = hashlib.sha256(layer_bytes).hexdigest()
    document = {
        "architecture": architecture,
        "os": "linux",
        "created": _EPOCH,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": _EPOCH, "created_by": "certkit test lab"}],
    }
    document_bytes = json.dumps(document).encode()
    document_name = f"{hashlib.sha256(document_bytes).hexdigest()}.json"
    layer_name = f"{layer_digest}/layer.tar"
    manifest = [{"Config": document_name, "RepoTags": [tag], "Layers": [layer_name]}]
    with tarfile.open(destination, "w") as archive:
        for name, content in (
            (document_name, document_bytes),
            (layer_name, layer_bytes),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def write_images(tree: Path, directory: Path) -> None:
    """Make both images from the programs in the base tree that holds the registry's."""
    architecture = _inside(tree, "dpkg", "--print-architecture").decode().strip()

    registry = Layer()
    _add_busybox(registry, tree)
    registry.file("/bin/registry", _read_inside(tree, recipe.REGISTRY_PROGRAM), 0o755)
    for library in _libraries(tree, recipe.REGISTRY_PROGRAM):
        registry.file(library, _read_inside(tree, library), 0o755)
    registry.file("/etc/docker/registry/config.yml", recipe.REGISTRY_CONFIG.encode())
    registry.directory("/var/lib/registry")
    write_image(
        directory / archive_name(recipe.REGISTRY_IMAGE),
        recipe.REGISTRY_IMAGE,
        registry,
        architecture,
        {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": ["/bin/registry"],
            "Cmd": ["serve", "/etc/docker/registry/config.yml"],
            "ExposedPorts": {"5000/tcp": {}},
            "Volumes": {"/var/lib/registry": {}},
        },
    )

    example = Layer()
    _add_busybox(example, tree)
    write_image(
        directory / archive_name(recipe.EXAMPLE_IMAGE),
        recipe.EXAMPLE_IMAGE,
        example,
        architecture,
        {"Env": ["PATH=/bin"], "Cmd": ["sleep", "3600"]},
    )


def archive_name(tag: str) -> str:
    """The name of the file that an image is kept in: `registry:2` is in `registry-2.tar`."""
    return f"{tag.replace(':', '-')}.tar"


def _add_busybox(layer: Layer, tree: Path) -> None:
    layer.file("/bin/busybox", _read_inside(tree, "/bin/busybox"), 0o755)
    for applet in _inside(tree, "/bin/busybox", "--list").decode().split():
        if applet != "busybox":
            layer.link(f"/bin/{applet}", "busybox")
    layer.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    layer.directory("/tmp", 0o1777)


def _libraries(tree: Path, program: str) -> list[str]:
    """The paths of the loader and the libraries of a program, as the program asks for them."""
    words = _inside(tree, "ldd", program).decode().replace("=>", " ").split()
    return sorted({word for word in words if word.startswith("/")})


def _read_inside(tree: Path, path: str) -> bytes:
    """A file of the tree, its links followed inside the tree and not on this machine."""
    return _inside(tree, "cat", path)


def _inside(tree: Path, *argv: str) -> bytes:
    command = ["chroot", str(tree), *argv]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
