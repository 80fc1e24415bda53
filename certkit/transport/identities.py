"""Which keys a host is offered, in which order: few, because servers count every offer.

sshd allows six attempts (MaxAuthTries) and newer ones ban an address that fails often
(PerSourcePenalties), so at most `MOST_OFFERS` are made and the likeliest come first.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from certkit.inventory.model import Host
from certkit.transport.agent import Agent, Agents, AgentSigner
from certkit.transport.hostkeys.certificate import CERT_SUFFIX, Certificate, blob_type, fingerprint
from certkit.transport.keyfiles import KeyFileError, KeyFiles, public_blob, with_certificate
from certkit.transport.without_invoke import paramiko

MOST_OFFERS = 5
_DEFAULT_NAMES = ("id_ed25519", "id_ecdsa", "id_rsa")
_LOADABLE = ("ssh-ed25519", "ecdsa-sha2-", "ssh-rsa")


@dataclass(frozen=True)
class Offer:
    """A key to try.

    Attributes:
        key: It signs, and it presents its certificate if it has one.
        source: Where it is from, for messages.
    """

    key: paramiko.PKey
    source: str


class Offers(NamedTuple):
    """The keys to try, and why others are not among them.

    Attributes:
        offers: In order.
        notes: Sentences about files that gave no key.
    """

    offers: tuple[Offer, ...]
    notes: tuple[str, ...]


class Identities:
    """Chooses keys; shared by all threads of a run."""

    def __init__(self, files: KeyFiles, agents: Agents) -> None:
        self._files = files
        self._agents = agents
        self._chosen_before: dict[object, Offers] = {}
        self._lock = threading.Lock()

    def offers(self, host: Host) -> Offers:
        """Return what to offer to `host`. Reads files and may prompt, but touches no network."""
        # Hosts of one group differ in nothing here, so the files are looked at once for all.
        key = (
            *(host.identity_files, host.certificate_file, host.identities_only, host.agent_key),
            *(host.use_agent, host.agent_socket, bool(host.password)),
            host.key_passphrase.reveal() if host.key_passphrase else None,
        )
        with self._lock:
            if key not in self._chosen_before:
                self._chosen_before[key] = self._choose(host)
            return self._chosen_before[key]

    def _choose(self, host: Host) -> Offers:
        notes: list[str] = []
        agent = self._agents.at(host.agent_socket) if host.use_agent else None
        found = self._in_order(host, agent, notes)
        unique: dict[bytes, Offer] = {}
        for offer in found:
            shown = offer.key.public_blob
            unique.setdefault(shown.key_blob if shown else offer.key.asbytes(), offer)
        most = MOST_OFFERS - 1 if host.password else MOST_OFFERS
        return Offers(tuple(unique.values())[:most], tuple(notes))

    def _in_order(self, host: Host, agent: Agent | None, notes: list[str]) -> Iterator[Offer]:
        if host.agent_key:
            yield from self._chosen(host, host.agent_key, agent, notes)
        files = host.identity_files
        # Who gives a password, and no key, means the password: default keys would be noise.
        if not files and not host.agent_key and not host.password:
            files = tuple(_default_files())
        for path in files:
            yield from self._from_file(host, path, agent, notes)
        named = host.identities_only or host.agent_key or (host.password and not files)
        if agent is not None and not named:
            for key in agent.keys:
                if _usable(key.blob):
                    yield _from_agent(agent, key.blob, f"the agent's key {key.comment}")

    def _chosen(
        self, host: Host, wanted: str, agent: Agent | None, notes: list[str]
    ) -> Iterator[Offer]:
        for key in agent.keys if agent else ():
            if fingerprint(_plain(key.blob)) == wanted.rstrip("="):
                source = f"the agent's key {wanted}"
                certificate = _certificate(host, None)
                if certificate:
                    assert agent is not None
                    yield Offer(AgentSigner(agent, _plain(key.blob), certificate), source)
                assert agent is not None
                yield _from_agent(agent, key.blob, source)
                return
        notes.append(f"the SSH agent has no key {wanted}" if agent else "there is no SSH agent")

    def _from_file(
        self, host: Host, path: Path, agent: Agent | None, notes: list[str]
    ) -> Iterator[Offer]:
        path = path.expanduser()
        certificate = _certificate(host, path)
        public = public_blob(path if path.suffix == ".pub" else Path(f"{path}.pub"))
        if agent is not None and public and any(key.blob == public for key in agent.keys):
            # The agent's copy needs no passphrase, and is why people name a .pub file at all.
            source = f"{path} in the agent"
            if certificate:
                yield Offer(AgentSigner(agent, public, certificate), source)
            yield Offer(AgentSigner(agent, public), source)
            return
        try:
            key = self._files.load(path, host.key_passphrase)
        except KeyFileError as error:
            notes.append(f"{path} {error}")
            return
        if certificate and _plain(certificate) == key.asbytes():
            yield Offer(with_certificate(key, certificate), f"{path} with its certificate")
        yield Offer(key, str(path))


def _certificate(host: Host, path: Path | None) -> bytes | None:
    if host.certificate_file is not None:
        return public_blob(host.certificate_file.expanduser())
    return public_blob(Path(f"{path}-cert.pub")) if path is not None else None


def _from_agent(agent: Agent, blob: bytes, source: str) -> Offer:
    plain = _plain(blob)
    return Offer(AgentSigner(agent, plain, blob if blob != plain else None), source)


@functools.lru_cache(maxsize=256)
def _plain(blob: bytes) -> bytes:
    """Return the key of a certificate, or the key itself."""
    if not blob_type(blob).endswith(CERT_SUFFIX):
        return blob
    try:
        return Certificate(blob).key
    except ValueError:
        return blob


def _usable(blob: bytes) -> bool:
    # Keys on a token wait for a touch; a fleet must not, unless such a key was chosen.
    return blob_type(blob).startswith(_LOADABLE)


def _default_files() -> Iterator[Path]:
    for name in _DEFAULT_NAMES:
        path = Path.home() / ".ssh" / name
        if path.is_file():
            yield path
