"""What clients say of certificates, names and dates.

Sources of the words: Go's ``crypto/x509/verify.go`` and its ``root_darwin.go``, OpenSSL's
``x509_txt.c``, Node's "X509 certificate error codes", the JDK's ``sun.security.validator`` and
``sun.security.util.HostnameChecker``, .NET's ``SslPolicyErrors`` and ``X509ChainStatusFlags``.
"""

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
        r"doesn't contain any IP SANs|IP address mismatch|No subject alternative names matching IP",
        Explanation(
            "name_missing",
            "Go, OpenSSL, Java",
            "the registry was asked for by an address that the certificate does not hold",
            ("images are named with the address", "the certificate has only DNS names"),
            (SERVED, "certkit renew --san ADDRESS && certkit registry deploy --next"),
        ),
    ),
    (
        r"is valid for .+, not |is not valid for any names|[Hh]ostname mismatch"
        r"|no alternative certificate subject name matches|does not match target host"
        r"|certificate name does not match input|HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME_INVALID"
        r"|does not match certificate's altnames"
        r"|No subject alternative (DNS )?names? (present|match)"
        r"|No name matching .+ found|match any of the subject alternative names"
        r"|hostname in certificate didn't match|RemoteCertificateNameMismatch|NotValidForName"
        r"|owner does not match host|SEC_E_WRONG_PRINCIPAL",
        Explanation(
            "name_missing",
            "Go, OpenSSL, curl, Java, Node, .NET",
            "the certificate does not hold the name that was asked for",
            (
                "images use another name than the certificate was made for",
                "the name leads to another server: wrong address, or a proxy in between",
            ),
            (SERVED, LOOK, RENEW),
        ),
    ),
    (
        r"has expired or is not yet valid(?!: current time)|NotTimeValid",
        Explanation(
            "outside_validity",
            "Go, .NET",
            "by the client's clock the certificate has expired, or is not valid yet: the message "
            "does not say which",
            (
                "it has expired",
                "it was renewed, and the registry was not restarted: it reads it once",
                "the host's clock is wrong",
            ),
            (SERVED, "on the host: date -u", LOOK),
        ),
    ),
    (
        r"certificate is not yet valid|current time .+ is before|CERT_NOT_YET_VALID"
        r"|CertificateNotYetValidException|NotValidYet",
        Explanation(
            "host_clock",
            "Go, OpenSSL, curl, Java, Node",
            "by the client's clock the certificate is not valid yet",
            ("the host's clock is behind", "the certificate was made on a machine that is ahead"),
            ("on the host: date -u; timedatectl set-ntp true", LOOK),
        ),
    ),
    (
        r"certificate has expired(?! or is not yet)|current time .+ is after|CERT_HAS_EXPIRED"
        r"|certificate is expired|CertificateExpiredException|invalid peer certificate: Expired"
        r"|tls: expired certificate|alert certificate expired",
        Explanation(
            "expired",
            "Go, OpenSSL, curl, Java, Node",
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
            (SERVED, "certkit rotate start --permit NAME"),
        ),
    ),
    (
        r"not authorized to sign other certificates|invalid CA certificate|INVALID_CA"
        r"|this is not a CA certificate|keyCertSign bit is not set|too many intermediates"
        r"|path length constraint|PATH_LENGTH_EXCEEDED|CA cert does not include key usage"
        r"|Basic Constraints of CA cert not marked critical",
        Explanation(
            "not_an_authority",
            "Go, OpenSSL, Java, Node",
            "a certificate that signed another one may not do that",
            (
                "a server's certificate was used as the authority (no CA:TRUE, no keyCertSign)",
                "another authority's intermediate, or its path length, does not allow it",
            ),
            (SERVED, LOOK, "certkit rotate start"),
        ),
    ),
    (
        r"incompatible key usage|(unsupported|unsuitable) certificate purpose|INVALID_PURPOSE"
        r"|does not permit use for TLS server|KeyUsage does not allow|CaUsedAsEndEntity"
        r"|ERR_SSL_KEY_USAGE_INCOMPATIBLE|NotValidForUsage",
        Explanation(
            "wrong_usage",
            "Go, OpenSSL, Java, Node",
            "the certificate is not made for a server",
            (
                "its extended key usage lacks serverAuth: a client's certificate is served",
                "the authority's own certificate is served in place of the registry's",
            ),
            (SERVED, "certkit renew && certkit registry deploy --next"),
        ),
    ),
    (
        r"certificate is not standards compliant|unhandled critical extension"
        r"|insecure algorithm|(key|digest|md) too (small|weak)|negative serial number"
        r"|x509: malformed|asn1: (structure|syntax) error"
        r"|Missing (Authority|Subject) Key Identifier",
        Explanation(
            "chain_refused",
            "Go, OpenSSL, macOS",
            "a certificate in the chain is not made as this client wants it",
            (
                "macOS accepts at most 825 days, and wants serverAuth and alternative names",
                "an old signature or a small key: SHA-1, RSA with 1024 bits",
                "it was made by hand, or by an old tool",
            ),
            (SERVED, "certkit renew && certkit registry deploy --next"),
        ),
    ),
    (
        r"TLS handshake error from .+(bad certificate|unknown (certificate|authority))",
        Explanation(
            "missing",
            "the registry's log",
            "a client refused the registry's certificate: it does not trust whoever signed it",
            ("no trust was put on the host with that address", "it is no client of certkit's"),
            (LOOK, "certkit distribute --limit HOST"),
        ),
    ),
    (
        r"private key does not match public key|key values mismatch",
        Explanation(
            "server_pair",
            "the registry's log",
            "the certificate and the key that the registry was given do not belong together",
            ("only one of the two was replaced",),
            ("certkit registry deploy",),
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
        r"^(?!.*TLS handshake error from).*(certificate required|bad[ _]certificate)"
        r"|No required SSL certificate was sent",
        Explanation(
            "client_certificate",
            "Go, Java, nginx",
            "the registry asks for a client certificate, or refused the one it got",
            ("http.tls.clientcas is set on the registry", "a stray .cert and .key are sent"),
            (LOOK,),
        ),
    ),
    (
        r"unable to find valid certification path|PKIX path building failed"
        r"|Trust anchor for certification path not found",
        Explanation(
            "missing",
            "Java (Jib, Jenkins, Gradle, Maven)",
            "Java does not trust whoever signed the certificate that it was shown",
            (
                "Java has a trust store of its own: it reads neither certs.d nor the system's",
                "the registry serves another certificate: not restarted, a proxy in between",
            ),
            (
                "on the host: keytool -importcert -cacerts -noprompt -alias registry -file "
                "/etc/docker/certs.d/REGISTRY/ca.crt",
                SERVED,
            ),
        ),
    ),
    (
        r"UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT_IN_CHAIN"
        r"|DEPTH_ZERO_SELF_SIGNED_CERT",
        Explanation(
            "missing",
            "Node (npm, Renovate)",
            "Node does not trust whoever signed the certificate that it was shown",
            (
                "Node has a list of its own: it reads neither certs.d nor the system's authorities",
                "the registry serves another certificate: not restarted, a proxy in between",
            ),
            (
                "on the host: export NODE_EXTRA_CA_CERTS=/etc/docker/certs.d/REGISTRY/ca.crt",
                SERVED,
            ),
        ),
    ),
    (
        r"x509: certificate signed by unknown authority|certificate signed by unknown"
        r"|unable to get local issuer|self[- ]signed certificate|unable to get issuer"
        r"|unable to verify the first certificate|ECDSA verification failure"
        r"|crypto/rsa: verification error|x509: invalid signature|certificate is not trusted"
        r"|certificate issuer is unknown|UnknownIssuer|PartialChain|UntrustedRoot"
        r"|terminated in a root certificate which is not trusted|SEC_E_UNTRUSTED_ROOT"
        r"|locally verify the issuer's authority|tls: unknown certificate authority"
        r"|alert unknown ca\b",
        Explanation(
            "missing",
            "Go (Docker, Podman, containerd, BuildKit, Helm), OpenSSL, curl, .NET",
            "the client does not trust whoever signed the certificate that it was shown",
            (
                "no trust was put on this host, or under another name than images use (port, case)",
                "the file is not named *.crt, or is DER, has a byte order mark, is closed",
                "the registry serves another certificate: not restarted, a proxy in between",
                "another runtime asks than the one that has the trust: snap, rootless, a builder, "
                "or curl, crane and Helm, which read the system's authorities only",
            ),
            (LOOK, SERVED, "certkit distribute --limit HOST"),
        ),
    ),
)
