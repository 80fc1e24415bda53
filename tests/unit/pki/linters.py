"""Other people's judgement of a certificate: OpenSSL, GnuTLS and pkilint."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import warnings
from pathlib import Path
from typing import Any

from certkit.names import SubjectName

# The only finding that a private name cannot avoid: pkilint wants two labels and no wildcard.
ALLOWED = {"pkix.invalid_domain_name_syntax"}


def openssl(authority: Path, leaf: Path, name: SubjectName) -> subprocess.CompletedProcess[str]:
    check = "-verify_ip" if name.kind == "ip" else "-verify_hostname"
    return subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslserver"),
            *(check, asked_for(name), "-CAfile", str(authority), str(leaf)),
        ],
        capture_output=True,
        text=True,
    )


def certtool(authority: Path, leaf: Path, name: SubjectName) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("certtool", "--verify", "--load-ca-certificate", str(authority)),
            *("--verify-hostname", asked_for(name), "--infile", str(leaf)),
        ],
        capture_output=True,
        text=True,
    )


def asked_for(name: SubjectName) -> str:
    return f"one{name.text[1:]}" if name.is_wildcard else name.text


def pkilint(*certificates: Path) -> list[str]:
    """The findings at NOTICE and above: for one certificate, or for issuer and subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pkilint.bin import lint_pkix_cert, lint_pkix_signer_signee_cert_chain

        linter = lint_pkix_cert if len(certificates) == 1 else lint_pkix_signer_signee_cert_chain
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            linter.main(["lint", "-s", "NOTICE", "-f", "JSON", *map(str, certificates)])
    report: dict[str, Any] = json.loads(out.getvalue())
    return [
        finding["code"]
        for result in report["results"]
        for finding in result["finding_descriptions"]
    ]
