"""Stands in for ``openssl s_client`` on an embedded host.

It makes a real handshake that trusts the ``-CAfile`` only. It is needed because a machine may
have no ``openssl``, and because the demo's registry has a name that only embedded hosts know.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run as ``openssl --host-directory DIR s_client ...`` and return the exit status."""
    parser = argparse.ArgumentParser(prog="openssl", allow_abbrev=False)
    parser.add_argument("--host-directory", type=Path, required=True)
    parser.add_argument("command", choices=["s_client"])
    parser.add_argument("-connect", required=True)
    parser.add_argument("-servername")
    parser.add_argument("-verify_hostname")
    parser.add_argument("-verify_ip")
    parser.add_argument("-CAfile", type=Path, required=True)
    # Whatever else is asked for (-brief, -verify_return_error, -no-CApath ...) is how this
    # behaves anyway.
    options, _ = parser.parse_known_args(arguments)
    # Imported late: asked for help, as certkit does to see which options there are, it need not.
    from certkit.demo.stand_ins.dial import split_reference

    host, port = split_reference(options.connect)
    name: str = options.verify_hostname or options.verify_ip or options.servername or host
    return _shake(name, host, port, options.CAfile, options.host_directory / "etc" / "hosts")


def _shake(name: str, host: str, port: int, authority: Path, hosts_file: Path) -> int:
    import ssl

    from certkit.demo.stand_ins.dial import DialError, handshake, resolve, trust_only

    try:
        address = resolve(host, hosts_file)
        with handshake(name, address, port, trust_only([authority])) as tls:
            print(f"Protocol version: {tls.version()}")
    except ssl.SSLCertVerificationError as error:
        print(f"verify error:num={error.verify_code}:{error.verify_message}")
        print(f"Verify return code: {error.verify_code} ({error.verify_message})")
        return 1
    except DialError:
        print(f"{host}: Name or service not known", file=sys.stderr)
        return 1
    except ssl.SSLError as error:
        print(f"error:SSL routines::{error.reason}", file=sys.stderr)
        return 1
    except ConnectionRefusedError:
        print("connect:errno=111\nConnection refused", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"connect:errno={error.errno}\n{error.strerror or error}", file=sys.stderr)
        return 1
    print("Verification: OK\nVerify return code: 0 (ok)")
    return 0
