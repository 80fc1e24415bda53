"""One exchange with the remote program: what is sent, what must come back first.

The program and its input travel on stdin. The command line holds only a fixed boot text and a
random nonce, so nothing of an operator's ever becomes shell text.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Exchange:
    """A program ready to be sent to a host.

    Attributes:
        boot: The argument of ``sh -c``: constant but for the nonce; no newline, no single quote
            and no ``!``, so every login shell (csh and fish too) takes it in single quotes.
        stdin: The program and its data, perhaps a private key. Sent whole, then stdin is closed.
        ready: Printed by the boot text on stdout before it reads anything. Where privilege needs
            a password, that goes first and `stdin` only once this was seen.
        nonce: Marks this exchange's lines of output; login noise cannot know it.
        limit: Seconds that the whole exchange may take, restart included.
    """

    boot: str
    stdin: bytes = field(repr=False)
    ready: bytes
    nonce: str
    limit: float
