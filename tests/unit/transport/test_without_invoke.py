"""paramiko is imported without invoke, and is whole nevertheless."""

from __future__ import annotations

import subprocess
import sys

IMPORTED = """
import sys
from certkit.transport.without_invoke import paramiko
"""
ASKED = """
config = paramiko.SSHConfig.from_text('Match exec "true"\\n  User robin\\n')
print(config.lookup("a")["user"], sys.modules["invoke"].run.__module__)
"""


def printed(program: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return ran.stdout.strip()


def test_invoke_is_imported_once_it_is_needed() -> None:
    look = "print(*sorted({'invoke', 'asyncio', 'unittest', 'ssl'} & set(sys.modules)))"
    assert printed(IMPORTED + look) == ""
    assert printed(IMPORTED + ASKED) == "robin invoke"


def test_nobody_else_is_given_something_other_than_invoke() -> None:
    look = "import invoke.context; print(invoke.context.Context.__name__)"
    assert printed(IMPORTED + look) == "Context"
    assert printed("import invoke" + IMPORTED + ASKED) == "robin invoke"
    assert printed("import paramiko" + IMPORTED + ASKED) == "robin invoke"
