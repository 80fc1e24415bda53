"""What clients say of certificates, names, dates and the files in certs.d."""

from __future__ import annotations

from certkit.doctor.explanation import LOOK, RENEW, SERVED, Explanation

TLS: tuple[tuple[str, Explanation], ...] = (
    (
        r"relies on legacy Common Name",
        Explanation(
            "name_missing",
            "Go (Docker, Podman, containerd)",
            "the certificate has a common name only, and no subject alternative names",
            ("the certificate was made with old instructions (openssl req -subj /CN=...)",),
            (SERVED, RENEW),
        ),
    ),
    (
        r"doesn't contain any IP SANs|IP address mismatch",
        Explanation(
            "name_missing",
            "Go, OpenSSL",
            "the registry was asked for by an address that the certificate does not hold",
            ("images are named with the address", "the certificate has only DNS names"),
            (SERVED, "certkit renew --san ADDRESS && certkit registry deploy --next"),
        ),
    ),
    (
        r"is valid for .+, not |is not valid for any names|[Hh]ostname mismatch"
        r"|no alternative certificate subject name matches|does not match target host",
        Explanation(
            "name_missing",
            "Go, OpenSSL, curl",
            "the certificate does not hold the name that was asked for",
            (
                "images use another name than the certificate was made for",
                "the name leads to another server: wrong address, or a proxy in between",
            ),
            (SERVED, LOOK, RENEW),
        ),
    ),
    (
        r"certificate is not yet valid|current time .+ is before",
        Explanation(
            "host_clock",
            "Go, OpenSSL, curl",
            "by the client's clock the certificate is not valid yet",
            ("the host's clock is behind", "the certificate was made on a machine that is ahead"),
            ("on the host: date -u; timedatectl set-ntp true", LOOK),
        ),
    ),
    (
        r"certificate has expired|current time .+ is after",
        Explanation(
            "expired",
            "Go, OpenSSL, curl",
            "by the client's clock the certificate has expired",
            (
                "it has expired",
                "it was renewed, and the registry was not restarted: it reads it once",
                "the host's clock is ahead",
            ),
            (SERVED, "certkit renew && certkit registry deploy --next", LOOK),
        ),
    ),
    (
        r"permitted subtree violation|excluded subtree|name constraint|not permitted by any"
        r"|not authorized to sign for this name|CANotAuthorizedForThisName",
        Explanation(
            "constraints",
            "Go, OpenSSL",
            "the authority is not allowed to vouch for this name",
            ("a name was added after the authority was made",),
            (SERVED, "certkit rotate start, with an authority that permits the name"),
        ),
    ),
    (
        r"missing key .+ for client certificate",
        Explanation(
            "unpaired",
            "Docker, Podman",
            "a .cert file lies in the registry's directory without its .key",
            ("the authority was saved as ca.cert in place of ca.crt",),
            ("on the host: rename it to ca.crt", LOOK),
        ),
    ),
    (
        r"[Mm]issing client certificate .+ for key",
        Explanation(
            "unpaired",
            "Docker, Podman",
            "a .key file lies in the registry's directory without its .cert",
            ("the registry's own key was copied to the host, where it does not belong",),
            ("on the host: remove it; if it is the registry's, renew with a new key", LOOK),
        ),
    ),
    (
        r"failed to load X509 key pair|found a certificate rather than a key",
        Explanation(
            "unpaired",
            "containerd, BuildKit, Docker 28",
            "a .cert or .key file in the registry's directory is not a client pair",
            ("the authority was saved as ca.cert", "certificate and key were swapped"),
            (LOOK,),
        ),
    ),
    (
        r"unable to load CA cert|unable to read CA cert",
        Explanation(
            "der",
            "containerd, BuildKit, Docker 28",
            "a .crt file in the registry's directory cannot be read as PEM",
            ("it is DER, empty or damaged", "hosts.toml names a file that is not there"),
            (LOOK, "certkit distribute --limit HOST --force"),
        ),
    ),
    (
        r"\.crt: is a directory|certs\.d/.+: no such file",
        Explanation(
            "subdirectory",
            "Docker, Podman",
            "something in the registry's directory ends in .crt and is no file",
            ("a directory or a link that leads nowhere lies beside ca.crt",),
            (LOOK,),
        ),
    ),
    (
        r"certs\.d.*: permission denied",
        Explanation(
            "closed_mode",
            "Docker's client, rootless Podman",
            "the user who asks may not read the registry's directory or its ca.crt",
            ("modes are lax or closed: directories want 0755, ca.crt 0644",),
            ("on the host: ls -ld /etc/docker /etc/docker/certs.d/*", LOOK),
        ),
    ),
    (
        r"record its digest",
        Explanation(
            "missing",
            "Docker Swarm",
            "a manager cannot reach the registry, or does not trust it",
            ("trust is missing on a manager or worker: each node needs it",),
            ("certkit verify", LOOK),
        ),
    ),
    (
        r"certificate required|bad certificate",
        Explanation(
            "client_certificate",
            "Go",
            "the registry asks for a client certificate, or refused the one it got",
            ("http.tls.clientcas is set on the registry", "a stray .cert and .key are sent"),
            (LOOK,),
        ),
    ),
    (
        r"x509: certificate signed by unknown authority|certificate signed by unknown"
        r"|unable to get local issuer|self[- ]signed certificate|unable to get issuer"
        r"|unable to verify the first certificate|ECDSA verification failure"
        r"|crypto/rsa: verification error|certificate verify failed|SSL certificate problem"
        r"|x509: invalid signature",
        Explanation(
            "missing",
            "Go (Docker, Podman, containerd, BuildKit), OpenSSL, curl",
            "the client does not trust whoever signed the certificate that it was shown",
            (
                "no trust was put on this host, or under another name than images use (port, case)",
                "the file is not named *.crt, or is DER, has a byte order mark, is closed",
                "the registry serves another certificate: not restarted, a proxy in between",
                "another runtime asks than the one that has the trust: snap, rootless, a builder, "
                "curl (which reads the system's authorities only)",
            ),
            (LOOK, SERVED, "certkit distribute --limit HOST"),
        ),
    ),
)
