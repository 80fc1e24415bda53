"""Certificates of a company's authority from the command line; the company runs OpenSSL."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509

from tests.unit.cli.running import Command
from tests.unit.cli.serving import serve

CONFIG = """
[ca]
default_ca = issuing
[issuing]
dir = .
new_certs_dir = .
database = index.txt
serial = serial
certificate = issuing.crt
private_key = issuing.key
default_md = sha256
default_days = 200
policy = any
copy_extensions = copy
unique_subject = no
x509_extensions = leaf
[any]
commonName = supplied
organizationName = optional
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[issuer]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
"""


class Company:
    """A root and an issuing authority, made and run with OpenSSL alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        (directory / "ca.cnf").write_text(CONFIG)
        (directory / "index.txt").write_text("")
        (directory / "serial").write_text("1000\n")
        new = "req -config ca.cnf -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        self.types(
            f"{new} -x509 -extensions root -keyout root.key -out root.crt -days 3000",
            ("-subj", "/CN=Company Root"),
        )
        self.types(f"{new} -keyout issuing.key -out issuing.csr -subj /CN=Issuing")
        self.types(
            "x509 -req -in issuing.csr -CA root.crt -CAkey root.key -CAcreateserial -days 1500 "
            "-extfile ca.cnf -extensions issuer -out issuing.crt"
        )
        self.chain = directory / "chain.crt"
        # The wrong way round, as many send it.
        parts = [(directory / name).read_text() for name in ("root.crt", "issuing.crt")]
        self.chain.write_text("".join(parts))

    def types(self, command: str, more: tuple[str, ...] = ()) -> None:
        subprocess.run(
            ["openssl", *command.split(), *more],
            cwd=self.directory,
            check=True,
            capture_output=True,
        )

    def signs(self, request: Path) -> Path:
        """`openssl ca` writes what the certificate says in front of it."""
        answer = self.directory / "signed.crt"
        self.types(f"ca -config ca.cnf -batch -in {request} -out {answer}")
        assert "Certificate:" in answer.read_text()
        return answer


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here; CI installs it")
    return Company(tmp_path_factory.mktemp("company") / "ca")


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_IMPORT_PASSPHRASE", "CERTKIT_INVENTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    return Command(monkeypatch, capsys)


def directory(tmp_path: Path) -> Path:
    return tmp_path / "H" / "registries" / "registry.lab_5000"


def shakes_hands(files: Path, chain: str = "server.crt", key: str = "server.key") -> str:
    """Serve the home's pair, and connect as a host does that has only the home's trust.

    Returns:
        The serial number of what was served.
    """
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(files / chain, files / key)
    asking = ssl.create_default_context(cafile=str(files / "trust.crt"))
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    here, there = socket.socketpair()

    def serve() -> None:
        with serving.wrap_socket(there, server_side=True) as served:
            served.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with asking.wrap_socket(here, server_hostname="registry.lab") as asked:
        certificate = asked.getpeercert()
        asked.send(b"x")
    thread.join(10)
    assert certificate is not None
    return str(certificate["serialNumber"])


def test_asked_for_signed_by_openssl_and_renewed(
    certkit: Command, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = directory(tmp_path)
    ran = certkit("init", "registry.lab:5000", "--csr", "--san", "10.0.0.9")
    assert ran.code == 0 and str(files / "server-request.csr") in ran.out
    assert "certkit import-signed" in ran.out and "PRIVATE KEY" not in ran.out
    ran = certkit("init", "registry.lab:5000", "--csr", "--san", "10.0.0.9", "-o", "json")
    assert (ran.code, ran.json["schema"], ran.json["status"]) == (0, "certkit.init/1", "unchanged")
    request = Path(ran.json["request"])
    assert [command.split()[:2] for command in ran.json["next"]] == [["certkit", "import-signed"]]
    for command in (["renew"], ["inspect", "registry.lab:5000", "--live"], ["renew", "--discard"]):
        ran = certkit(*command)
        assert ran.code in (1, 3), command
    ran = certkit("renew")
    assert "waits for its answer" in ran.err and "certkit import-signed FILE" in ran.err

    signed = company.signs(request)
    ran = certkit("import-signed", signed)
    assert ran.code == 2 and "has no issuer" in ran.err and "--chain FILE" in ran.err
    ran = certkit("import-signed", signed, "--chain", company.chain)
    assert ran.code == 0 and not ran.err and "warning" not in ran.out
    assert "certkit registry deploy registry.lab:5000" in ran.out
    served = x509.load_pem_x509_certificates((files / "server.crt").read_bytes())
    assert [one.subject.rfc4514_string() for one in served] == ["CN=registry.lab", "CN=Issuing"]
    assert (files / "trust.crt").read_bytes() == (company.directory / "root.crt").read_bytes()
    assert not request.exists()
    assert shakes_hands(files) == "1000"

    # Years later.
    assert certkit("renew", "--if-due", "30d").code == 0
    ran = certkit("renew", "--if-due", "400d", "-o", "json")
    assert (ran.code, ran.json["status"]) == (4, "due")
    assert any("--csr" in command for command in ran.json["next"])
    ran = certkit("renew")
    assert ran.code == 2 and "comes from another authority" in ran.err
    assert certkit("renew", "--san", "b.lab").code == 2
    ran = certkit("renew", "--csr", "-o", "json")
    assert (ran.code, ran.json["status"]) == (0, "requested")
    due = certkit("renew", "--if-due", "400d", "-o", "json").json
    assert str(files) in due["request"]
    assert all(command.startswith("certkit import-signed") for command in due["next"])
    ran = certkit("import-signed", company.signs(Path(ran.json["request"])), "-o", "json")
    assert (ran.code, ran.json["status"], ran.json["new_root"]) == (0, "prepared", False)
    assert ran.json["certificate"].endswith("server-next.crt")
    assert any("--next" in command for command in ran.json["next"])
    assert shakes_hands(files) == "1000"
    assert shakes_hands(files, "server-next.crt", "server-next.key") == "1001"
    ran = certkit("renew", "--if-due", "400d")
    assert ran.code == 0 and "waiting to be served" in ran.out
    serve(monkeypatch, files / "server-next.crt")
    assert certkit("renew", "--served").code == 0
    assert shakes_hands(files) == "1001"
    lines = (tmp_path / "H" / "journal.jsonl").read_text().splitlines()
    said = [f"{entry['command']}: {entry['what']}" for entry in map(json.loads, lines)]
    assert said == [
        "init: key and certificate request made",
        "import-signed: signed certificate taken",
        "renew: key and certificate request made",
        "import-signed: signed certificate taken, not yet in service",
        "renew: server certificate in service",
    ]
    assert "import-signed" in certkit("log").out


@pytest.fixture
def pair(company: Company, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and an encrypted key, as another tool left them."""
    folder = tmp_path / "pair"
    folder.mkdir()
    company.types(
        "req -config ca.cnf -newkey rsa:2048 -passout pass:secret "
        f"-keyout {folder}/key.pem -out {folder}/request.pem",
        ("-subj", "/CN=registry.lab", "-addext", "subjectAltName=DNS:registry.lab"),
    )
    shutil.copy(company.signs(folder / "request.pem"), folder / "cert.pem")
    (folder / "key.pem").chmod(0o600)
    return folder / "cert.pem", folder / "key.pem"


def import_words(pair: tuple[Path, Path], *more: object) -> list[object]:
    words = ("init", "registry.lab:5000", "--import-cert", pair[0], "--import-key", pair[1])
    return [*words, *more]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_key_that_others_can_read_is_told(
    certkit: Command,
    company: Company,
    pair: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    mode: int,
) -> None:
    monkeypatch.setenv("CERTKIT_IMPORT_PASSPHRASE", "secret")
    pair[1].chmod(mode)
    ran = certkit(*import_words(pair, "--import-chain", company.chain), "-o", "json")
    told = [one for one in ran.json["warnings"] if f"chmod 600 {pair[1]}" in one]
    assert ran.code == 0 and bool(told) is (mode == 0o644)
    assert ("others can get at" in ran.err) is (mode == 0o644)
    words = ("import-signed", pair[0], "--chain", company.chain, "--key", pair[1], "-o", "json")
    assert bool(certkit(*words).json["warnings"]) is (mode == 0o644)


def test_imported_with_an_encrypted_key(
    certkit: Command,
    company: Company,
    pair: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = import_words(pair, "--import-chain", company.chain)
    ran = certkit(*words)
    assert ran.code == 2 and "is encrypted" in ran.err
    assert "--passphrase-file" in ran.err and "CERTKIT_IMPORT_PASSPHRASE" in ran.err
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    ran = certkit(*words, "--passphrase-file", secret)
    assert ran.code == 2 and "does not open" in ran.err
    assert not (tmp_path / "H").exists()
    monkeypatch.setenv("CERTKIT_IMPORT_PASSPHRASE", "secret")
    ran = certkit(*words, "-o", "json")
    assert (ran.code, ran.json["status"], ran.json["origin"]) == (0, "created", "imported")
    assert "secret" not in ran.out + ran.err
    shakes_hands(directory(tmp_path))
    assert certkit(*words).code == 0
    ran = certkit("passphrase", "--no-passphrase")
    assert ran.code == 2 and "comes from another authority" in ran.err
    assert "comes from" in certkit("inspect").out
    assert certkit("inspect", "-o", "json").json["registries"][0]["origin"] == "imported"
    (tmp_path / "hosts.yaml").write_text("registry: registry.lab:5000\nhosts: [web-01]\n")
    ran = certkit("rotate", "start")
    assert ran.code == 2 and "nothing can be rotated here" in ran.err
    assert not (directory(tmp_path) / "rollover.json").exists()


def plain(pair: tuple[Path, Path]) -> Path:
    """The key without its passphrase."""
    key = pair[1].with_name("plain.pem")
    command = ["openssl", "pkey", "-in", pair[1], "-passin", "pass:secret", "-out", key]
    subprocess.run(command, check=True, capture_output=True)
    return key


def test_files_in_other_shapes(
    certkit: Command, company: Company, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    """DER is taken; what is not says which command converts it."""
    key, folder = plain(pair), tmp_path
    root, chain = company.directory / "root.crt", company.chain

    def types(*words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def tries(cert: Path, with_key: Path = key, with_chain: Path = chain) -> tuple[int, str]:
        ran = certkit(*import_words((cert, with_key), "--import-chain", with_chain))
        return ran.code, ran.err

    types(
        "pkcs12",
        "-export",
        "-in",
        pair[0],
        "-inkey",
        key,
        "-out",
        folder / "a.p12",
        "-passout",
        "pass:x",
    )
    types("crl2pkcs7", "-nocrl", "-certfile", pair[0], "-out", folder / "a.p7b")
    types("pkey", "-in", key, "-outform", "DER", "-out", folder / "key.der")
    (folder / "glued").write_text(chain.read_text().replace("-----\n-----BEGIN", "----------BEGIN"))
    (folder / "both").write_text(pair[0].read_text() + key.read_text())
    (folder / "cut").write_text(chain.read_text()[:-60])
    for cert, with_key, with_chain, said in (
        (folder / "a.p12", key, chain, "openssl pkcs12 -nokeys"),
        (folder / "a.p7b", key, chain, "openssl pkcs7 -print_certs"),
        (pair[0], folder / "key.der", chain, "openssl pkey -inform DER"),
        (pair[0], folder / "a.p12", chain, "openssl pkcs12 -nocerts"),
        (pair[0], key, folder / "glued", "glued on one line"),
        (folder / "both", key, chain, "holds a private key"),
        (pair[0], folder / "both", chain, "holds a certificate beside the key"),
        (pair[0], key, folder / "cut", "ends within a certificate"),
        (pair[0], pair[0], chain, "holds a certificate beside the key"),
        (pair[0], folder / "absent", chain, "No such file"),
        (pair[0], root, chain, "holds a certificate beside the key"),
    ):
        code, err = tries(cert, with_key, with_chain)
        assert code == 2 and said in err, (said, err)
        assert not (tmp_path / "H").exists()
    types("x509", "-in", pair[0], "-outform", "DER", "-out", folder / "cert.der")
    (folder / "bom").write_bytes(b"\xef\xbb\xbf" + chain.read_bytes())
    assert tries(folder / "cert.der", key, folder / "bom") == (0, "")


def test_an_ec_key_with_its_parameters_in_front(
    certkit: Command, company: Company, tmp_path: Path
) -> None:
    key, request = tmp_path / "ec.pem", tmp_path / "request.pem"
    company.types(f"ecparam -genkey -name prime256v1 -out {key}")
    assert "EC PARAMETERS" in key.read_text()
    subject = ("-subj", "/CN=registry.lab", "-addext", "subjectAltName=DNS:registry.lab")
    company.types(f"req -config ca.cnf -new -key {key} -out {request}", subject)
    signed = company.signs(request)
    ran = certkit(*import_words((signed, key), "--import-chain", company.chain))
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--csr", "--import-cert", "a"], "give one of them"),
        (["--import-cert", "a"], "belong together"),
        (["--import-key", "a"], "belong together"),
        (["--import-chain", "a"], "belong together"),
        (["--csr", "--days", "30"], "--days is for an authority"),
        (["--csr", "--permit", "lab"], "--permit is for an authority"),
        (["--csr", "--no-passphrase"], "--no-passphrase is for an authority"),
        (["--import-cert", "a", "--import-key", "b", "--key-type", "p384"], "--key-type is for"),
    ],
)
def test_wrong_usage(certkit: Command, tmp_path: Path, flags: list[str], said: str) -> None:
    ran = certkit("init", "registry.lab:5000", *flags)
    assert ran.code == 2 and said in ran.err
    assert not (tmp_path / "H").exists()


def test_an_own_authority_has_no_use_for_it(
    certkit: Command, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    assert certkit("init", "registry.lab:5000", "--no-passphrase").code == 0
    for words in (
        ["import-signed", pair[0], "--key", plain(pair)],
        ["renew", "--csr"],
        ["renew", "--csr", "--deploy"],
    ):
        assert certkit(*words).code == 2, words
