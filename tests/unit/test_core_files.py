"""Core files: none of a run, and whatever the caller allows of what a run starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cores import allow_core_files, dropped, need_core_files

# From 3.12 on: a worker of xdist has another thread, and `preexec_fn` only sets a limit.
pytestmark = pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning")

CRASH = """
import os

from certkit.core_files import forbid_core_files

forbid_core_files()
os.abort()
"""
CHILD = r"""
import sys

from certkit.core_files import forbid_core_files
from certkit.transport.local import PipeProcess

forbid_core_files()
child = PipeProcess(("sh", "-c", r'cd "$1" && sh -c "kill -ABRT \$\$"; :', "sh", sys.argv[1]))
while (heard := child.read(9)) is not None:
    print(*(stream.decode() for stream in heard))
child.close()
"""


def test_no_core_of_a_run(tmp_path: Path) -> None:
    need_core_files(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH], cwd=tmp_path, preexec_fn=allow_core_files, text=True
    )
    assert not dropped(process)


def test_nor_where_python_was_built_without_ctypes(tmp_path: Path) -> None:
    need_core_files(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys\nsys.modules['ctypes'] = None\n{CRASH}"],
        cwd=tmp_path,
        preexec_fn=allow_core_files,
        text=True,
    )
    assert not dropped(process)


def test_what_a_run_starts_may_drop_one(tmp_path: Path) -> None:
    need_core_files(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=allow_core_files,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert "core dumped" in done.stdout, done
