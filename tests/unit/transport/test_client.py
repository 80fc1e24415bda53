"""The few private names of paramiko that certkit leans on are still what they were."""

from __future__ import annotations

import inspect

import paramiko
import pytest
from paramiko.packet import Packetizer

from certkit.transport import client


@pytest.mark.parametrize(
    "name",
    [
        *("_log", "_next_channel", "_parse_channel_open_failure"),
        *("_parse_debug", "_parse_disconnect", "open_channel"),
    ],
)
def test_overridden_methods_have_the_signature_of_paramiko(name: str) -> None:
    theirs = inspect.signature(getattr(paramiko.Transport, name))
    ours = inspect.signature(getattr(client.Client, name))
    assert list(ours.parameters) == list(theirs.parameters)


@pytest.mark.parametrize("name", ["start_handshake", "handshake_timed_out", "complete_handshake"])
def test_overridden_methods_of_the_packetizer(name: str) -> None:
    theirs = inspect.signature(getattr(Packetizer, name))
    ours = inspect.signature(getattr(client._UntimedPacketizer, name))
    assert list(ours.parameters) == list(theirs.parameters)


def test_algorithms_are_known_to_paramiko() -> None:
    for table, names in (
        ("_kex_info", client._KEX),
        ("_cipher_info", client._CIPHERS),
        ("_mac_info", client._MACS),
        ("_key_info", client._PUBKEYS),
    ):
        assert set(names) <= set(getattr(client.Client, table))
    assert "curve25519-sha256" in client._KEX
    assert client._KEX.index("diffie-hellman-group14-sha256") < client._KEX.index(
        "diffie-hellman-group16-sha512"
    )
    everything = " ".join((*client._KEX, *client._CIPHERS, *client._MACS))
    for weak in ("cbc", "3des", "sha1", "md5", "group1-", "exchange"):
        assert weak not in everything
