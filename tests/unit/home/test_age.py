"""The age format with a passphrase: another program's file, and everything that must be refused."""

from __future__ import annotations

import base64

import pytest

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.backup import age
from certkit.secret import Secret

# Made by rage 0.11 (pyrage) with the passphrase "correct horse".
FOREIGN = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBSSTZYSWIwdDhUK3dxK1J0V21XSm53IDE4ClNCSmxw"
    "T2hGbDRjN0xGdXg3L3NlS1MwY1B6T1hTQkg0d1FVZll5MjNvc2cKLS0tIGpmblZKakpTVjc4ZCs1NjA2aE9F"
    "bnQzeWMxZkFwcjFwVGdFSlpDYWNVZWsKvqPMsYOn8RveqDssSC4qNpkcJzIvQH5Qbz3hS13+Ak6dK9Jur7N8"
    "nZZv6m1N23x3vdQg9wmefUk="
)
WORD = Secret("grün horse")


def test_another_programs_file_is_read() -> None:
    assert age.decrypt(FOREIGN, Secret("correct horse"), "f") == b"made by another program\n"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 200_000])
def test_there_and_back(size: int) -> None:
    sealed = age.encrypt(b"x" * size, WORD, 4)
    assert age.decrypt(sealed, WORD, "f") == b"x" * size
    assert age.encrypt(b"x" * size, WORD, 4) != sealed


def test_the_cost_is_what_was_promised() -> None:
    assert age.encrypt(b"", WORD).split(b"\n")[1].endswith(b" 18")


def test_every_byte_counts() -> None:
    sealed = age.encrypt(b"precious", WORD, 4)
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(CertkitError):
            age.decrypt(bytes(damaged), WORD, "f")
    for length in range(len(sealed)):
        with pytest.raises(InputError):
            age.decrypt(sealed[:length], WORD, "f")
    with pytest.raises(InputError):
        age.decrypt(sealed + b"x", WORD, "f")


def test_chunks_cannot_be_cut_off_or_swapped() -> None:
    sealed = age.encrypt(b"a" * 65536 + b"b" * 65536 + b"c", WORD, 4)
    start = sealed.index(b"\n--- ") + 5 + 43 + 1 + 16
    size = 65536 + 16
    first, second, last = (
        sealed[start : start + size],
        sealed[start + size : start + 2 * size],
        sealed[start + 2 * size :],
    )
    for body in (first, first + second, second + first + last, first + last, first + second * 2):
        with pytest.raises(InputError, match="damaged"):
            age.decrypt(sealed[:start] + body, WORD, "f")


def test_refused_in_words() -> None:
    sealed = age.encrypt(b"precious", WORD, 4)
    with pytest.raises(HomeError, match="passphrase does not open"):
        age.decrypt(sealed, Secret("other"), "f")
    with pytest.raises(InputError, match="not a file that age"):
        age.decrypt(b"-----BEGIN CERTIFICATE-----", WORD, "f")
    # A hostile file must not eat the machine before it is refused.
    with pytest.raises(InputError, match="refused"):
        age.decrypt(sealed.replace(b" 4\n", b" 40\n", 1), WORD, "f")
