"""A stand-in for the remote program: announces itself, skips noise, echoes, exits as told."""

from __future__ import annotations

from certkit.remote.exchange import Exchange

NONCE = "5f3c9a"
READY = f"READY-{NONCE}".encode()
_BOOT = f"echo READY-{NONCE}; while read -r line; do test x$line = xBEGIN-{NONCE} && break; done; "


def exchange(after: str = "cat", stdin: bytes = b"hello\n", limit: float = 20) -> Exchange:
    return Exchange(
        boot=_BOOT + after,
        stdin=f"BEGIN-{NONCE}\n".encode() + stdin,
        ready=READY,
        nonce=NONCE,
        limit=limit,
    )
