"""What clients say of the files in a registry's directory."""

from __future__ import annotations

from certkit.doctor.explanation import LOOK, Explanation

FILES: tuple[tuple[str, Explanation], ...] = (
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
)
