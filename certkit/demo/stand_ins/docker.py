"""Stands in for the ``docker`` client on an embedded host: its command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from certkit.demo.stand_ins.engine import Engine
from certkit.demo.stand_ins.images import DaemonError
from certkit.demo.stand_ins.template import TemplateError, render


def main(arguments: list[str] | None = None) -> int:
    """Run as ``docker --host-directory DIR COMMAND ...`` and return the exit status."""
    parser = argparse.ArgumentParser(prog="docker", allow_abbrev=False)
    parser.add_argument("--host-directory", type=Path, required=True)
    parser.add_argument("--host", "-H", help="accepted, and of no consequence here")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("version", "info"):
        commands.add_parser(name).add_argument("--format", "-f", default="json")
    commands.add_parser("ps").add_argument("--quiet", "-q", action="store_true")
    image = commands.add_parser("image").add_subparsers(dest="command", required=True)
    inspect = image.add_parser("inspect")
    inspect.add_argument("--format", "-f", default="json")
    inspect.add_argument("reference")
    for one in (commands, image):
        for name in ("pull", "push"):
            transfer = one.add_parser(name)
            transfer.add_argument("--quiet", "-q", action="store_true")
            transfer.add_argument("reference")
    for one, name in ((commands, "rmi"), (image, "rm")):
        one.add_parser(name).add_argument("reference")
    options = parser.parse_args(arguments)
    engine = Engine(options.host_directory)
    actions: dict[str, Callable[[], object]] = {
        "version": lambda: print(render(options.format, engine.version())),
        "info": lambda: print(render(options.format, engine.info())),
        "ps": lambda: None,
        "inspect": lambda: print(render(options.format, engine.inspect(options.reference))),
        "pull": lambda: engine.pull(options.reference),
        "push": lambda: engine.push(options.reference),
        "rm": lambda: engine.remove(options.reference),
        "rmi": lambda: engine.remove(options.reference),
    }
    try:
        actions[options.command]()
    except DaemonError as error:
        print(f"Error response from daemon: {error}", file=sys.stderr)
        return 1
    except (TemplateError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
