"""How connections are made in one run, whatever the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from certkit.secret import Secret

HostKeyPolicy = Literal["strict", "accept-new"]
PassphrasePrompt = Callable[[Path], Secret | None]

# Starting many handshakes at once trips sshd's MaxStartups (10:30:100 by default) and the rate
# limits of firewalls, so these are bounded apart from the number of hosts worked on.
HANDSHAKES = 32
HANDSHAKES_PER_BASTION = 8
HANDSHAKES_PER_ADDRESS = 2
START_SPREAD = 0.005

STDOUT_KEPT = 4 * 1024 * 1024
STDERR_KEPT = 64 * 1024
# A host that sends this much is not answering, it is flooding.
OUTPUT_LIMIT = 64 * 1024 * 1024


class ConnectorOptions(NamedTuple):
    """Options of `open_connector`.

    Attributes:
        known_hosts: Used in place of the user's and the system's files; None for those.
        host_key_policy: ``strict`` refuses unknown host keys; ``accept-new`` records them. A
            changed key is refused by both.
        passphrase_prompt: Asks for the passphrase of an identity file, at most once for each
            file; None where nothing may prompt.
        verbose: From 3 on, paramiko's own log is let through.
        handshakes: How many handshakes may be under way at the same time.
        handshakes_per_bastion: The same, through one bastion.
        handshakes_per_address: The same, to one address.
        start_spread: Seconds between two starts.
    """

    known_hosts: Path | None = None
    host_key_policy: HostKeyPolicy = "strict"
    passphrase_prompt: PassphrasePrompt | None = None
    verbose: int = 0
    handshakes: int = HANDSHAKES
    handshakes_per_bastion: int = HANDSHAKES_PER_BASTION
    handshakes_per_address: int = HANDSHAKES_PER_ADDRESS
    start_spread: float = START_SPREAD
