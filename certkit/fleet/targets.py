"""From hosts of an inventory and a trust bundle to what each host should look like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from certkit.errors import InputError
from certkit.fleet.plan import Target
from certkit.fleet.policy import policy_for
from certkit.inventory.model import Host, RestartPolicy, Settings
from certkit.names import RegistryReference
from certkit.runtimes.catalogue import check_names, desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, beside_system, removal


def check_runtimes(hosts: Sequence[Host]) -> None:
    """Refuse hosts whose runtimes nobody knows, with the place in the inventory.

    Raises:
        InputError: A host's runtime is not known.
    """
    checked: set[tuple[str, ...]] = set()
    for host in hosts:
        if host.runtimes in checked:
            continue
        checked.add(host.runtimes)
        try:
            check_names(host.runtimes)
        except InputError as error:
            place = host.origins.get("runtimes", f"host {host.name}")
            raise InputError(f"{place}: {error.message}", error.hint) from None


def targets_for(
    hosts: Sequence[Host],
    references: Sequence[RegistryReference],
    bundle_pem: bytes,
    settings: Settings,
    asked: RestartPolicy | None = None,
    *,
    vouched: str = "",
    shared: bool = False,
    remove: bool = False,
    retire_insecure: bool = False,
) -> tuple[Target, ...]:
    """Say for each host what it should look like and when it may be restarted.

    Args:
        hosts: Whom.
        references: The registry, then its aliases.
        bundle_pem: The authorities to trust.
        settings: What the inventory says about the run.
        asked: The command line's restart policy; None when it was not given.
        vouched: The certificate that hosts' own systems may vouch for; see `RuntimeState`.
        shared: Whether the authorities are somebody else's, who may sign for other registries too.
        remove: Whether the trust is to be taken away.
        retire_insecure: Whether the registry is to go out of lists of insecure ones.

    Raises:
        InputError: A host's runtime is not known.
    """
    check_runtimes(hosts)
    # Most hosts want the same; a state holds the bundle, and its digest is computed from it.
    states: dict[RuntimeChoice, HostState] = {}
    targets = []
    for host in hosts:
        choice = RuntimeChoice(
            runtimes=host.runtimes,
            service=host.service,
            certs_dir=host.certs_dir,
            restart_command=host.restart_command,
            rootless_user=host.rootless_user,
            timeout=math.ceil(host.timeouts.restart),
        )
        if choice not in states:
            state = beside_system(desired_state(references, bundle_pem, choice), vouched)
            if shared:
                # They do not tell whose a file is that the inventory no longer names.
                state = replace(state, authorities=())
            if retire_insecure:
                state = replace(state, retire_insecure=tuple(one.text for one in references))
            states[choice] = removal(state) if remove else state
        targets.append(Target(host, states[choice], policy_for(host, settings, asked)))
    return tuple(targets)
