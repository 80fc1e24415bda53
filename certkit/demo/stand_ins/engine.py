"""The engine behind the ``docker`` stand-in: what certkit and the demo ask of one, no more.

It starts some hundred times in a demo, so nothing is imported before it is needed.
"""

from __future__ import annotations

import time
from pathlib import Path

from certkit.demo.stand_ins.images import DaemonError, Image, ImageName, Images

VERSION = "28.0.0-stand-in"


class Engine:
    """The daemon of one embedded host.

    Args:
        directory: The directory that serves the host as its file system.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._images = Images(directory / "var" / "images.json")

    def version(self) -> dict[str, object]:
        """Return what ``docker version`` is about."""
        one = {"Version": VERSION, "ApiVersion": "1.48", "Os": "linux"}
        return {"Client": one, "Server": one}

    def info(self) -> dict[str, object]:
        """Return what ``docker info`` is about; no registry is insecure here."""
        return {
            "ServerVersion": VERSION,
            "LiveRestoreEnabled": False,
            "ContainersRunning": 0,
            "ContainersPaused": 0,
            "SystemTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "Driver": "stand-in",
            "RegistryConfig": {
                "InsecureRegistryCIDRs": [],
                "IndexConfigs": {
                    "docker.io": {"Name": "docker.io", "Secure": True, "Official": True}
                },
                "Mirrors": [],
            },
        }

    def pull(self, text: str) -> None:
        """Pull an image."""
        from certkit.demo.stand_ins import transfer

        name = ImageName.parse(text)
        pulled = transfer.pull(name, self._directory / "etc")
        new = self._images.add(pulled.id, name, pulled.digest)
        print(f"{name.reference}: Pulling from {name.repository}")
        print(f"Digest: {pulled.digest}")
        status = "Downloaded newer image" if new else "Image is up to date"
        print(f"Status: {status} for {name}\n{name}")

    def push(self, text: str) -> None:
        """Push the image that every embedded host has, under this name."""
        from certkit.demo.stand_ins import transfer

        name = ImageName.parse(text)
        pushed = transfer.push(name, self._directory / "etc")
        self._images.add(pushed.id, name, pushed.digest)
        print(f"The push refers to repository [{name.name}]")
        print(f"{name.reference}: digest: {pushed.digest} size: {pushed.size}")

    def inspect(self, text: str) -> dict[str, object]:
        """Return what ``docker image inspect`` is about."""
        image = self._found(text)
        return {"Id": image.id, "RepoTags": image.tags, "RepoDigests": image.digests}

    def remove(self, text: str) -> None:
        """Take an image's name away, and the image with its last tag."""
        self._found(text)
        for line in self._images.remove(ImageName.parse(text)):
            print(line)

    def _found(self, text: str) -> Image:
        image = self._images.find(ImageName.parse(text))
        if image is None:
            raise DaemonError(f"No such image: {text}")
        return image
