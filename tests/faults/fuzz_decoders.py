"""Fuzzing by coverage, by hand: what a host or a file may say, at the decoders that read it.

pip install atheris && python tests/faults/fuzz_decoders.py bundle CORPUS -max_total_time=60

`bundle` is a file of certificates, `answers` the lines of a host's program; CORPUS is a directory
with examples to begin with. A test keeps what is found: nothing here is run by the test tiers.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["certkit"]):
    from certkit.errors import CertkitError
    from certkit.pki.bundle import TrustBundle
    from certkit.remote.protocol import decode_place, decode_probe, decode_restart
    from certkit.remote.retire import decode_retire
    from certkit.remote.survey import decode_survey

NONCE = "a" * 24
DECODERS = (decode_place, decode_probe, decode_restart, decode_retire, decode_survey)


def bundle(data: bytes) -> None:
    with suppress(CertkitError):
        TrustBundle.parse(data, "given")


def answers(data: bytes) -> None:
    mark = NONCE.encode()
    said = [mark + b" " + line for line in [*data.split(b"\n"), b"end 0"]]
    for decode in DECODERS:
        with suppress(CertkitError):
            decode(b"\n".join([b"READY-" + mark, *said, b""]), NONCE)


if __name__ == "__main__":
    target = {"bundle": bundle, "answers": answers}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
