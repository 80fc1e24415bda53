"""From drafts to hosts: layers flattened, ssh_config asked, jump hosts followed.

Precedence, strongest first: command line, host, groups, defaults, ssh_config, built in.
"""

from __future__ import annotations

import getpass
import os
import pwd
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from certkit.errors import InputError
from certkit.inventory import fields, grammar
from certkit.inventory.draft import Draft, Layer, Parsed
from certkit.inventory.model import Become, Host, Overrides, Timeouts
from certkit.inventory.places import GrammarError, Place, shown
from certkit.inventory.ssh.answer import translate
from certkit.inventory.ssh.config import Answer, Query, SshConfig
from certkit.paths import expanded

_DIRECT = frozenset(
    (
        "identity_files",
        "certificate_file",
        "identities_only",
        "agent_key",
        "use_agent",
        "agent_socket",
        "password",
        "key_passphrase",
        "host_key",
        "host_key_alias",
        "known_hosts_files",
        "global_known_hosts_files",
        "runtimes",
        "service",
        "certs_dir",
        "restart",
        "restart_command",
        "rootless_user",
        "skip",
        "tags",
    )
)
_BECOME = {field: field.partition(".")[2] for field in fields.NAMES if field.startswith("become.")}
_TIMES = {field: field.partition(".")[2] for field in fields.NAMES if field.startswith("timeouts.")}
_BUILT_IN_BECOME, _NO_BECOME, _BUILT_IN_TIMES = Become(), Become(method="none"), Timeouts()
_MAX_HOPS = 8


def resolve(parsed: Parsed, overrides: Overrides, config: SshConfig) -> list[Host]:
    """Settle every value of every host.

    Args:
        parsed: What a reader understood.
        overrides: The command line.
        config: The user's ssh_config.

    Returns:
        The hosts, in the order of the inventory.

    Raises:
        InputError: A name is no address, jump hosts run in a circle, a ProxyCommand is needed, or
            OpenSSH refuses its configuration.
    """
    return _Resolver(parsed, overrides, config).run()


def resolve_one(parsed: Parsed, draft: Draft, overrides: Overrides, config: SshConfig) -> Host:
    """Settle one more machine, which may be listed as never to be worked on.

    Args:
        parsed: Whose hosts it may be reached through.
        draft: The machine.
        overrides: The command line.
        config: The user's ssh_config.

    Raises:
        InputError: As `resolve` does.
    """
    resolver = _Resolver(parsed, overrides, config)
    layer = resolver._merge(draft, resolver.overrides)
    layer.pop("skip", None)
    return resolver._host(draft, layer, ())


class _Resolver:
    def __init__(self, parsed: Parsed, overrides: Overrides, config: SshConfig) -> None:
        self.parsed = parsed
        self.config = config
        self.me = _login()
        self.overrides = _override_layer(overrides)
        self.drafts = {draft.name: draft for draft in parsed.drafts}
        self.answers: dict[Query, Answer] = {}
        self.asks = not config.silent
        self.hops: dict[str, tuple[Host, ...]] = {}

    def run(self) -> list[Host]:
        drafts = [(draft, self._merge(draft, self.overrides)) for draft in self.parsed.drafts]
        if self.asks:
            self.answers = self.config.resolve(
                _query(draft, layer) for draft, layer in drafts if not _is_local(layer)
            )
        return [self._host(draft, layer, ()) for draft, layer in drafts]

    @staticmethod
    def _merge(draft: Draft, strongest: Layer) -> Layer:
        merged: Layer = {}
        for layer in draft.layers:
            merged.update(layer)
        merged.update(strongest)
        return merged

    def _host(self, draft: Draft, layer: Layer, path: tuple[str, ...]) -> Host:
        local = _is_local(layer)
        skip = "skip" in layer and layer["skip"][0]
        address = layer["address"][0] if "address" in layer else draft.name
        answer: Answer = {}
        values = layer
        if self.asks and not local:
            query = _query(draft, layer)
            if query not in self.answers:
                self.answers.update(self.config.resolve([query]))
            answer = self.answers[query]
        if "hostname" in answer:
            address = answer["hostname"][0]
        if not local and not skip and ("hostname" in answer or "address" not in layer):
            address = _checked(address, draft)
        if answer:
            values = self._with_answer(draft, layer, answer, address)
        user = values["user"][0] if "user" in values else self.me
        return Host(
            name=draft.name,
            address=address,
            user=user,
            port=values["port"][0] if "port" in values else 22,
            connection="local" if local else "ssh",
            jump=() if local or skip else self._jump(draft, values, path),
            become=_become(values, user, local=local),
            timeouts=_timeouts(values),
            groups=draft.groups,
            origins=self._origins(draft, values, answer),
            vars=draft.vars,
            **{field: value for field, (value, _) in values.items() if field in _DIRECT},
        )

    def _with_answer(self, draft: Draft, layer: Layer, answer: Answer, address: str) -> Layer:
        query = _query(draft, layer)
        place = Place(self.config.origin, what=f"(ssh -G {query.host})")
        values = {**translate(answer, query, address, self.me, layer, place), **layer}
        skip = "skip" in layer and layer["skip"][0]
        if not skip and "jump" not in values and "proxycommand" in answer:
            raise InputError(
                f"ssh_config has a ProxyCommand for {shown(draft.name)}, which certkit does not "
                "run",
                "use ProxyJump there, or 'jump: HOST' in the inventory ('jump: none' to go "
                "directly)",
            )
        return values

    def _origins(self, draft: Draft, values: Layer, answer: Answer) -> Mapping[str, str]:
        origins = {field: place.origin for field, (_, place) in values.items()}
        if "hostname" in answer:
            origins["address"] = f"{self.config.origin} (ssh -G {_query(draft, values).host})"
        elif "address" not in origins:
            origins["address"] = draft.place.origin
        return MappingProxyType(origins)

    def _jump(self, draft: Draft, values: Layer, path: tuple[str, ...]) -> tuple[Host, ...]:
        if "jump" not in values:
            return ()
        texts, place = values["jump"]
        if not texts:
            return ()
        own = {draft.name, draft.name.partition(":")[0]}
        targets = [_target(text, place) for text in texts]
        if not place.what.startswith("host ") and any(t.host in own for t in targets):
            return ()  # a bastion does not go through itself because everybody else does
        chain: list[Host] = []
        for position, text in enumerate(texts):
            if text in path or targets[position].host in own:
                place.refuse(
                    f"the jump hosts run in a circle: {' > '.join((*path, shown(text)))}",
                    f"give {shown(targets[position].host)} its own: jump: none",
                )
            # As with ssh -J: the first hop's own way counts, the others are reached from there.
            hops = self._hop(text, place, path)
            chain += hops if position == 0 else hops[-1:]
        if len(chain) > _MAX_HOPS:
            place.refuse(f"more than {_MAX_HOPS} jump hosts")
        return tuple(chain)

    def _hop(self, text: str, place: Place, path: tuple[str, ...]) -> tuple[Host, ...]:
        if text in self.hops:
            return self.hops[text]
        target = _target(text, place)
        listed = self.drafts.get(text.rpartition("@")[2]) or self.drafts.get(target.host)
        extra: Layer = {}
        if target.user is not None:
            extra["user"] = (target.user, place)
        if target.port is not None:
            extra["port"] = (target.port, place)
        if listed is None:
            draft = Draft(target.host, place, (self.parsed.hop_layer,))
        else:
            draft = Draft(listed.name, listed.place, listed.layers, listed.groups, listed.vars)
        layer = self._merge(draft, extra)
        layer.pop("skip", None)  # being skipped as a target is what bastions do
        host = self._host(draft, layer, (*path, text))
        if "identity_files" in self.overrides and not host.identity_files:
            files, origin = self.overrides["identity_files"]
            origins = {**host.origins, "identity_files": origin.origin}
            host = replace(host, identity_files=files, origins=MappingProxyType(origins))
        chain = (*host.jump, replace(host, jump=()))
        self.hops[text] = chain
        return chain


def _override_layer(overrides: Overrides) -> Layer:
    layer: Layer = {}
    try:
        if overrides.user is not None:
            layer["user"] = (grammar.user(overrides.user), Place("--user"))
        if overrides.port is not None:
            layer["port"] = (grammar.port(overrides.port), Place("--port"))
    except GrammarError as error:
        flag = "--user" if "user" not in layer and overrides.user is not None else "--port"
        raise InputError(f"{flag}: {error.message}", error.hint) from None
    if overrides.identity_file is not None:
        path = expanded(overrides.identity_file)
        layer["identity_files"] = ((path,), Place("--identity-file"))
    return layer


def _is_local(layer: Layer) -> bool:
    return "connection" in layer and layer["connection"][0] == "local"


def _query(draft: Draft, layer: Layer) -> Query:
    # The alias is what `ssh` would be given: the address where there is one, as Ansible does it.
    host = layer["address"][0] if "address" in layer else draft.name
    user = layer["user"][0] if "user" in layer else None
    return Query(host, user, layer["port"][0] if "port" in layer else None)


def _checked(address: str, draft: Draft) -> str:
    try:
        return grammar.address(address)
    except GrammarError as error:
        draft.place.refuse(f"{shown(draft.name)}: {error.message}", error.hint)


def _target(text: str, place: Place) -> grammar.Target:
    try:
        return grammar.target(text)
    except GrammarError as error:
        place.refuse(f"jump: {error.message}", error.hint)


def _become(values: Layer, user: str, *, local: bool) -> Become:
    said = {name: values[field][0] for field, name in _BECOME.items() if field in values}
    if "method" not in said and "user" not in said:
        is_root = os.geteuid() == 0 if local else user == "root"
        if is_root:
            said["method"] = "none"
    if not said:  # most hosts share one of two
        return _BUILT_IN_BECOME
    return Become(**said) if said != {"method": "none"} else _NO_BECOME


def _timeouts(values: Layer) -> Timeouts:
    said = {name: values[field][0] for field, name in _TIMES.items() if field in values}
    return Timeouts(**said) if said else _BUILT_IN_TIMES


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "root"
