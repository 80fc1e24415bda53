"""What clients say of names, ports, proxies, the daemon, and what registries answer."""

from __future__ import annotations

from certkit.doctor.explanation import LOOK, Explanation

REACH: tuple[tuple[str, Explanation], ...] = (
    (
        r"server gave HTTP response to HTTPS client|wrong version number|packet length too long"
        r"|first record does not look like a TLS handshake|SSL_ERROR_RX_RECORD",
        Explanation(
            "plain_http",
            "Go, OpenSSL, curl",
            "the port answers, but not with TLS",
            ("the registry runs without its certificate", "it is another program's port"),
            (LOOK, "certkit registry deploy"),
        ),
    ),
    (
        r"HTTP request to an HTTPS server|malformed HTTP response",
        Explanation(
            "insecure",
            "Go",
            "the client speaks plain HTTP to a registry that speaks TLS",
            ("the registry is listed as insecure or with http://",),
            (LOOK,),
        ),
    ),
    (
        r"proxyconnect|Proxy Authentication Required|CONNECT tunnel failed",
        Explanation(
            "proxy",
            "Go, curl",
            "the client goes through a proxy, and that did not work",
            ("NO_PROXY of the daemon does not hold the registry",),
            ("on the host: docker info --format '{{.HTTPSProxy}} {{.NoProxy}}'", LOOK),
        ),
    ),
    (
        r"no such host|server misbehaving|[Nn]ame or service not known|[Nn]ame resolution"
        r"|[Cc]ould not resolve host|nodename nor servname",
        Explanation(
            "unresolved",
            "Go, curl, OpenSSL",
            "the registry's name does not resolve there",
            ("it is not in the host's DNS or /etc/hosts", "it is misspelt in the image's name"),
            ("on the host: getent hosts NAME", LOOK),
        ),
    ),
    (
        r"[Cc]onnection refused|[Ff]ailed to connect to",
        Explanation(
            "port_closed",
            "Go, curl, OpenSSL",
            "the machine answers, and nothing listens at that port",
            ("the registry is not running", "the port in the image's name is wrong"),
            (LOOK, "certkit registry status"),
        ),
    ),
    (
        r"i/o timeout|[Tt]imed out|[Nn]o route to host|[Nn]etwork is unreachable"
        r"|deadline exceeded|Client\.Timeout|TLS handshake timeout",
        Explanation(
            "unreachable",
            "Go, curl, OpenSSL",
            "nothing answers at the registry's address",
            ("a firewall drops it", "the name has a wrong address", "a proxy catches it"),
            (LOOK,),
        ),
    ),
    (
        r"[Cc]annot connect to the Docker daemon|docker\.sock",
        Explanation(
            "daemon_down",
            "Docker's client",
            "the daemon does not answer, or this user may not ask it",
            ("it is stopped", "the user is not in the group docker", "another context is chosen"),
            ("on the host: systemctl status docker; docker context ls",),
        ),
    ),
    (
        r"invalid reference format",
        Explanation(
            "reference",
            "Docker, Podman",
            "the image's name cannot be read",
            ("upper case or a typing error", "Podman accepts no IPv6 address"),
            ("write it as registry.lab:5000/team/app:1.0",),
        ),
    ),
    (
        r"manifest unknown|not found: manifest|name unknown|NAME_UNKNOWN",
        Explanation(
            "trusted",
            "the registry",
            "the registry was reached and trusted; it has no such image",
            ("the image's name or tag is wrong", "it was not pushed"),
            ("certkit verify",),
        ),
    ),
    (
        r"unauthorized|no basic auth credentials|pull access denied|requested access to the"
        r" resource|authentication required",
        Explanation(
            "trusted",
            "the registry",
            "the registry was reached and trusted; it wants a login",
            ("docker login was not done for this registry, by this user",),
            ("docker login REGISTRY",),
        ),
    ),
)
