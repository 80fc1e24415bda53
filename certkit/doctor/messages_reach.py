"""What clients say of names, ports, proxies, the daemon, and what registries answer."""

from __future__ import annotations

from certkit.doctor.explanation import LOOK, SERVED, Explanation

REACH: tuple[tuple[str, Explanation], ...] = (
    (
        r"server gave HTTP response to HTTPS client|wrong version number|packet length too long"
        r"|first record does not look like a TLS handshake|SSL_ERROR_RX_RECORD"
        r"|WRONG_VERSION_NUMBER|Unrecognized SSL message|unknown protocol",
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
        r"|[Cc]ould not resolve host|nodename nor servname|ENOTFOUND|EAI_AGAIN"
        r"|UnknownHostException|unable to resolve host",
        Explanation(
            "unresolved",
            "Go, curl, OpenSSL",
            "the registry's name does not resolve there",
            ("it is not in the host's DNS or /etc/hosts", "it is misspelt in the image's name"),
            ("on the host: getent hosts NAME", LOOK),
        ),
    ),
    (
        r"(?<!\.sock: connect: )[Cc]onnection refused|ECONNREFUSED|[Ff]ailed to connect to",
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
        r"|deadline exceeded|Client\.Timeout|TLS handshake timeout|ETIMEDOUT|EHOSTUNREACH"
        r"|ENETUNREACH",
        Explanation(
            "unreachable",
            "Go, curl, OpenSSL",
            "nothing answers at the registry's address",
            ("a firewall drops it", "the name has a wrong address", "a proxy catches it"),
            (LOOK,),
        ),
    ),
    (
        r"handshake[ _]failure|alert protocol version|protocol version not supported"
        r"|[Uu]nsupported protocol|no cipher suite supported|no protocols available"
        r"|no shared cipher|alert internal error|tls: internal error|unrecognized[ _]name",
        Explanation(
            "handshake",
            "Go, OpenSSL, curl, Java",
            "something answers with TLS there, and refuses the handshake",
            (
                "a proxy or load balancer is in front, and has no certificate for this name",
                "client and registry have no version or cipher of TLS in common: one is too old",
                "the registry asks for a client certificate (http.tls.clientcas)",
            ),
            (SERVED, LOOK),
        ),
    ),
    (
        r"\bEOF\b|unexpected eof|[Cc]onnection reset|ECONNRESET|socket hang up|SSL_ERROR_SYSCALL"
        r"|Empty reply from server|Remote host (closed|terminated)|broken pipe",
        Explanation(
            "cut_off",
            "Go, OpenSSL, curl, Java, Node",
            "the connection was taken, and closed without an answer",
            (
                "the registry behind a published port or a load balancer is not running",
                "a firewall or a proxy cuts it off",
                "the registry speaks plain HTTP, or another program has the port",
            ),
            ("certkit registry status", LOOK),
        ),
    ),
    (
        r"[Cc]annot connect to the Docker daemon|(docker|containerd|podman)\.sock"
        r"|[Cc]annot connect to Podman|[Uu]nable to connect to Podman",
        Explanation(
            "daemon_down",
            "Docker, Podman, nerdctl",
            "the daemon does not answer, or this user may not ask it",
            ("it is stopped", "the user is not in the group docker", "another context is chosen"),
            ("on the host: systemctl status docker; docker context ls",),
        ),
    ),
    (
        r"invalid reference format|short-name .+ did not resolve|InvalidImageName"
        r"|could not parse reference",
        Explanation(
            "reference",
            "Docker, Podman, Kubernetes, crane",
            "the image's name cannot be read",
            (
                "upper case or a typing error",
                "the registry is not in it",
                "Podman accepts no IPv6 address",
            ),
            ("write it as registry.lab:5000/team/app:1.0",),
        ),
    ),
    (
        r"manifest unknown|MANIFEST_UNKNOWN|not found: manifest|manifest for .+ not found"
        r"|name unknown|NAME_UNKNOWN|repository .+ not found|no matching manifest|blob unknown",
        Explanation(
            "trusted",
            "the registry",
            "the registry was reached and trusted; it has no such image",
            (
                "the image's name or tag is wrong",
                "it was not pushed, or not for this platform",
            ),
            ("certkit verify",),
        ),
    ),
    (
        r"unauthorized|UNAUTHORIZED|401 Unauthorized|insufficient_scope|no basic auth credentials"
        r"|pull access denied|requested access to the"
        r" resource|authentication required",
        Explanation(
            "trusted",
            "the registry",
            "the registry was reached and trusted; it wants a login",
            ("docker login was not done for this registry, by this user",),
            ("docker login REGISTRY",),
        ),
    ),
    (
        r"toomanyrequests|TOOMANYREQUESTS|429 Too Many Requests|pull rate limit",
        Explanation(
            "trusted",
            "the registry",
            "the registry was reached and trusted; it has answered too often already",
            (
                "the image's name begins with no registry, so that Docker Hub was asked",
                "a mirror of Docker Hub passes its limit on",
            ),
            ("docker pull REGISTRY/team/app:1.0", "docker login"),
        ),
    ),
    (
        r"502 Bad Gateway|503 Service Unavailable|504 Gateway|500 Internal Server Error"
        r"|unexpected HTTP status: 5|blob upload (unknown|invalid)|BLOB_UPLOAD",
        Explanation(
            "registry_failed",
            "the registry, or a proxy in front",
            "it was reached and trusted, and failed itself",
            (
                "the registry behind the proxy is not running",
                "its disk is full or may not be written",
            ),
            ("certkit registry status", "on the registry's machine: df -h; docker logs registry"),
        ),
    ),
)

# For what says too little: only where nothing else in the message says more.
VAGUE: tuple[tuple[str, Explanation], ...] = (
    (
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|SSL certificate problem"
        r"|certificate verification failed|remote certificate is invalid|CERT_UNTRUSTED"
        r"|RemoteCertificateChainErrors|cannot verify .+'s certificate"
        r"|failed to verify certificate",
        Explanation(
            "missing",
            "Python, OpenSSL, curl, .NET",
            "the client refuses the certificate that it was shown, and does not say why",
            (
                "it does not trust whoever signed it: Python and curl do not read certs.d",
                "it holds another name, or has expired",
            ),
            (SERVED, LOOK),
        ),
    ),
    (
        r"ErrImagePull|ImagePullBackOff|pinging container registry|failed to pull and unpack",
        Explanation(
            "pull_failed",
            "Kubernetes, containerd, Podman",
            "the pull failed; the reason stands elsewhere",
            ("no trust on that node", "the registry cannot be reached from it"),
            ("kubectl describe pod POD", LOOK),
        ),
    ),
)
