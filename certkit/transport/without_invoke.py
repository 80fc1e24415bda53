"""paramiko, without invoke: ``from certkit.transport.without_invoke import paramiko``.

paramiko's reader of ssh_config imports invoke, only to run what ``Match exec`` names, and invoke
imports asyncio, ssl and unittest.mock: a third of the 0.27 s that importing paramiko takes. certkit
reads ssh_config itself. So while paramiko is imported something stands in for invoke that imports
it once somebody wants anything of it: nothing is taken from paramiko, nor from others in this
process, and no private name is relied upon.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for a module of the same name until one of its attributes is asked for."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Make way for the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


_invoke = _Later("invoke")
sys.modules.setdefault("invoke", _invoke)
try:
    import paramiko
finally:
    _invoke.leave()

__all__ = ["paramiko"]
