"""From an inventory to what hosts should look like."""

from __future__ import annotations

import pytest

from certkit.errors import InputError
from certkit.fleet.targets import targets_for
from certkit.inventory.model import Host, Settings
from certkit.names import RegistryReference

BLOCK = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----"
REFERENCES = (RegistryReference.parse("registry.lab:5000"),)


@pytest.mark.parametrize("remove", [False, True])
def test_only_certkits_own_authority_tells_whose_a_file_is(remove: bool) -> None:
    hosts = (Host(name="web-1", address="10.0.0.1", user="root"),)
    [own] = targets_for(hosts, REFERENCES, BLOCK + b"\n", Settings(), remove=remove)
    assert own.state.authorities == (BLOCK,)
    # A company's authority signs for other registries too, whose files must be left alone.
    [company] = targets_for(
        hosts, REFERENCES, BLOCK + b"\n", Settings(), shared=True, remove=remove
    )
    assert company.state.authorities == ()


def test_a_runtime_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="podmann"):
        targets_for(
            (Host(name="web-1", address="10.0.0.1", user="root", runtimes=("podmann",)),),
            REFERENCES,
            BLOCK,
            Settings(),
        )
