"""What is said of NTS key establishment's files and TLS."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from host_tree import Tree, config, only

from stratum1.doctor import Host, _nts
from stratum1.doctor._nts import check_key_certificate, check_key_files, check_tls
from stratum1.nts.tls import TlsBackend
from stratum1.ntske import choose_backend
from stratum1.timescale import from_rfc3339

GIVEN = '[nts-ke]\ncertificate = "/etc/tls/chain.pem"\nprivate-key = "/etc/tls/key.pem"\n'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def put(tree: Tree, *names: str, mode: int = 0o644) -> None:
    """A certificate for names, good from 2026-11-01 to 2027-01-30."""
    from datetime import UTC, datetime  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    begin, nobody = datetime(2026, 11, 1, tzinfo=UTC), x509.Name([])
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 5, begin, begin + timedelta(days=90))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    tree.file("/etc/tls/chain.pem", builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode())
    tree.file("/etc/tls/key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), mode)


def judged(tree: Tree, now: str = "2026-11-25") -> tuple[str, str]:
    host = Host(root=tree.root, now=lambda: from_rfc3339(now))
    finding = only(check_key_certificate(config(GIVEN), host))
    return finding.level.value, finding.text + finding.remedy


def test_without_the_table_nothing_is_said(tree: Tree) -> None:
    for check in (check_key_certificate, check_key_files, check_tls):
        assert list(check(config(), tree.host())) == []


def test_an_own_authority_needs_nothing(tree: Tree) -> None:
    assert only(check_key_certificate(config("[nts-ke]"), tree.host())).level == "ok"


def test_a_good_certificate_is_named(tree: Tree) -> None:
    put(tree, "clock.example.org")
    level, text = judged(tree)
    assert level == "ok"
    assert "clock.example.org" in text
    assert "2027-01-30" in text


@pytest.mark.parametrize(("now", "level"), [("2027-01-20", "warning"), ("2027-02-01", "failure")])
def test_expiry_is_told(tree: Tree, now: str, level: str) -> None:
    put(tree, "clock.example.org")
    assert judged(tree, now)[0] == level


def test_one_without_names_is_refused_by_clients(tree: Tree) -> None:
    put(tree)
    assert judged(tree)[0] == "failure"


def test_files_that_are_missing_or_rubbish_are_told(tree: Tree) -> None:
    put(tree, "clock.example.org")
    tree.file("/etc/tls/key.pem", "rubbish")
    level, text = judged(tree)
    assert level == "failure"
    assert "/etc/tls/key.pem" in text
    tree.at("/etc/tls/key.pem").unlink()
    assert "no such file" in judged(tree)[1]


def test_a_key_that_the_daemon_may_not_read_is_told(tree: Tree) -> None:
    put(tree, "clock.example.org", mode=0o600)
    tree.caller(64990)
    level, text = judged(tree)
    assert level == "failure"
    assert "setfacl" in text


def test_the_other_files_are_looked_for(tree: Tree) -> None:
    asked = config('[nts-ke]\nshared-secret = "/etc/fleet"\nclient-authority = "/etc/clients.pem"')
    tree.file("/etc/clients.pem", "x")
    assert "/etc/fleet" in only(check_key_files(asked, tree.host())).text


class TestTls:
    """Who does TLS."""

    @pytest.fixture
    def without_native(self, monkeypatch: pytest.MonkeyPatch) -> None:
        openssl: TlsBackend = choose_backend("openssl")
        monkeypatch.setattr(_nts, "choose_backend", lambda: openssl)

    def test_rustls_is_good_where_it_is(self, tree: Tree) -> None:
        finding = only(check_tls(config("[nts-ke]"), tree.host()))
        assert finding.level == ("ok" if choose_backend().name == "rustls" else "warning")

    @pytest.mark.usefixtures("without_native")
    @pytest.mark.parametrize(("line", "level"), [("yes", "failure"), ("no", "warning")])
    def test_pyopenssl_can_t_be_a_server_in_the_unit_s_sandbox(self, tree: Tree, line: str, level: str) -> None:
        tree.file("/etc/systemd/system/stratum1.service", f"[Service]\nUser=root\nMemoryDenyWriteExecute={line}\n")
        finding = only(check_tls(config("[nts-ke]"), tree.host()))
        assert finding.level == level
        assert "native module" in finding.remedy

    @pytest.mark.usefixtures("without_native")
    def test_rustls_that_is_missing_is_told(self, tree: Tree) -> None:
        assert only(check_tls(config('[nts-ke]\ntls = "rustls"'), tree.host())).level == "failure"
