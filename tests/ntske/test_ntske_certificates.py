"""Certificates: files that are renewed under us, and an authority of our own that waits for the time."""

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from ke_world import BUILT, Issued, issued
from test_ntske_keys import Told

from stratum1.ntske._certificates import FiledCertificate, OwnCertificate
from stratum1.ntske._host_names import host_names
from stratum1.ntske._identity import IdentityError, read_identity
from stratum1.timescale import NS, UtcNs, from_rfc3339, rfc3339

DAY = 86_400 * NS
NOW = from_rfc3339("2026-11-25T12:00:00Z")
NAMES = ("clock.example.org", "192.0.2.7", "2001:db8::7")


@pytest.fixture
def told() -> Told:
    return Told()


def at(days: float) -> UtcNs:
    return UtcNs(NOW + round(days * DAY))


class TestFiles:
    """The owner's own certificate."""

    @staticmethod
    def put(directory: Path, leaf: Issued) -> tuple[Path, Path]:
        chain, key = directory / "chain.pem", directory / "key.pem"
        for path, data in ((chain, leaf.chain), (key, leaf.key)):
            new = path.with_suffix(".new")
            new.write_bytes(data)
            new.replace(path)
        return chain, key

    def test_a_pair_is_loaded_and_a_renewed_one_takes_its_place(self, tmp_path: Path, told: Told) -> None:
        kept = FiledCertificate(*self.put(tmp_path, issued("one.example")), told)
        assert kept.look(None)
        assert kept.identity is not None
        assert kept.identity.names == ("one.example",)
        assert kept.identity.kind == "ECDSA secp256r1"
        assert not kept.look(None)
        self.put(tmp_path, issued("two.example"))
        assert not kept.look(None)  # it may be half of a renewal
        assert kept.look(None)
        assert kept.identity.names == ("two.example",)
        assert "is in force" in told.notes[0]
        assert told.alarms == []

    def test_a_renewal_in_two_steps_raises_no_alarm(self, tmp_path: Path, told: Told) -> None:
        kept = FiledCertificate(*self.put(tmp_path, issued("one.example")), told)
        kept.look(None)
        (tmp_path / "chain.pem").write_bytes(issued("two.example").chain)
        assert not kept.look(None)
        (tmp_path / "key.pem").write_bytes(issued("two.example").key)
        assert not kept.look(None)
        assert kept.look(None)
        assert told.alarms == []

    @pytest.mark.parametrize(
        ("file", "content", "reason"),
        [
            ("chain.pem", b"rubbish", "BEGIN CERTIFICATE"),
            ("key.pem", b"rubbish", "BEGIN PRIVATE KEY"),
            ("key.pem", issued("another.example").key, "not that of the first certificate"),
            ("key.pem", None, "no such file"),
        ],
    )
    def test_a_bad_new_pair_leaves_the_old_one_in_force(
        self, tmp_path: Path, told: Told, file: str, content: bytes | None, reason: str
    ) -> None:
        kept = FiledCertificate(*self.put(tmp_path, issued("one.example")), told)
        kept.look(None)
        if content is None:
            (tmp_path / file).unlink()
        else:
            (tmp_path / file).write_bytes(content)
        assert not any(kept.look(None) for _ in range(4))
        assert kept.identity is not None
        assert len(told.alarms) == 1
        assert str(tmp_path / file) in told.alarms[0]
        assert reason in told.alarms[0]
        assert "stays in force" in told.alarms[0]
        self.put(tmp_path, issued("two.example"))
        assert any(kept.look(None) for _ in range(3))
        assert kept.reason == ""

    def test_a_change_that_keeps_size_and_date_is_seen(self, tmp_path: Path, told: Told) -> None:
        """As `chown` and `chmod` keep them, by which a file that could not be read can be."""
        chain, key = self.put(tmp_path, issued("one.example"))
        good, date = key.read_bytes(), key.stat().st_mtime_ns
        key.write_bytes(good[::-1])
        kept = FiledCertificate(chain, key, told)
        kept.look(None)
        assert kept.identity is None
        key.write_bytes(good)
        os.utime(key, ns=(date, date))
        assert any(kept.look(None) for _ in range(2))
        kept.look(None)
        key.write_bytes(good[::-1])
        os.utime(key, ns=(date, date))
        assert not any(kept.look(None) for _ in range(2))
        assert "stays in force" in kept.reason

    def test_none_at_the_start_is_told_and_waited_for(self, tmp_path: Path, told: Told) -> None:
        kept = FiledCertificate(tmp_path / "chain.pem", tmp_path / "key.pem", told)
        assert not kept.look(None)
        assert kept.identity is None
        assert "no NTS keys are established" in kept.reason
        self.put(tmp_path, issued("one.example"))
        assert any(kept.look(None) for _ in range(2))
        assert len(told.alarms) == 1

    def test_a_hangup_looks_at_once(self, tmp_path: Path, told: Told) -> None:
        kept = FiledCertificate(*self.put(tmp_path, issued("one.example")), told)
        kept.look(None)
        self.put(tmp_path, issued("two.example"))
        assert kept.look(None, again=True)

    def test_an_encrypted_key_is_told(self, tmp_path: Path) -> None:
        key = load_pem_private_key(issued().key, None)
        sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        with pytest.raises(IdentityError, match="encrypted"):
            read_identity(issued().chain, sealed)

    def test_expiry_is_told_in_time_and_once(self, tmp_path: Path, told: Told) -> None:
        kept = FiledCertificate(*self.put(tmp_path, issued("one.example")), told)
        kept.look(NOW)
        assert told.alarms == []
        assert kept.identity is not None
        for day in (-10, -5, 3):
            kept.look(UtcNs(kept.identity.not_after + day * DAY))
        assert len(told.alarms) == 1
        assert rfc3339(kept.identity.not_after, 0) in told.alarms[0]


class TestOwn:
    """An authority of our own."""

    @staticmethod
    def make(directory: Path, told: Told, names: tuple[str, ...] = NAMES) -> OwnCertificate:
        return OwnCertificate(directory, "clock", BUILT, lambda: names, told)

    def test_nothing_is_issued_before_the_time_is_known(self, tmp_path: Path, told: Told) -> None:
        own = self.make(tmp_path, told)
        assert not own.look(None)
        assert own.identity is None
        assert "the time is not known" in own.reason
        assert own.look(NOW)
        assert own.reason == ""

    def test_authority_and_leaf_are_good_from_the_build_date(self, tmp_path: Path, told: Told) -> None:
        own = self.make(tmp_path, told)
        own.look(at(100))
        assert own.identity is not None
        leaf, authority = x509.load_pem_x509_certificate(own.identity.chain), x509.load_pem_x509_certificate(own.authority)
        assert own.identity.not_before == BUILT
        assert own.identity.not_after == at(280)
        assert authority.not_valid_before_utc.date().isoformat() == "2026-11-24"
        assert authority.not_valid_after_utc.year == 2056
        leaf.verify_directly_issued_by(authority)
        assert own.identity.names == NAMES
        assert own.identity.authority_fingerprint.count(":") == 31
        assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0

    def test_secrets_are_for_nobody_else(self, tmp_path: Path, told: Told) -> None:
        self.make(tmp_path, told).look(NOW)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        assert modes == {"nts-ca.pem": 0o644, "nts-ca-key.pem": 0o600, "nts-leaf.pem": 0o600}

    def test_both_outlive_a_restart(self, tmp_path: Path, told: Told) -> None:
        first = self.make(tmp_path, told)
        first.look(NOW)
        second = self.make(tmp_path, told)
        assert second.authority == first.authority
        assert second.look(at(1))
        assert second.identity == first.identity
        assert told.alarms == []

    @pytest.mark.parametrize(("days", "renewed"), [(119, False), (121, True), (200, True), (-2, True)])
    def test_a_leaf_near_or_beyond_its_end_is_issued_anew(self, tmp_path: Path, told: Told, days: float, renewed: bool) -> None:
        own = self.make(tmp_path, told)
        own.look(NOW)
        before = own.identity
        assert own.look(at(days) if days > 0 else UtcNs(BUILT + 1)) is (renewed and days > 0)
        if renewed and days > 0:
            assert own.identity is not None
            assert before is not None
            assert own.identity.not_after == at(days + 180)
            assert own.identity.authority == before.authority

    def test_a_new_name_is_issued_for(self, tmp_path: Path, told: Told) -> None:
        names: list[tuple[str, ...]] = [NAMES]
        own = OwnCertificate(tmp_path, "clock", BUILT, lambda: names[0], told)
        own.look(NOW)
        names[0] = NAMES[:2]
        assert not own.look(NOW)  # one that is gone does no harm
        names[0] = (*NAMES, "203.0.113.9")
        assert own.look(NOW)
        assert own.identity is not None
        assert "203.0.113.9" in own.identity.names

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            ("nts-ca.pem", b"rubbish"),
            ("nts-ca-key.pem", b"rubbish"),
            ("nts-ca-key.pem", issued("other").key),
            ("nts-ca.pem", None),
            ("nts-ca-key.pem", None),
        ],
    )
    def test_a_damaged_authority_is_made_anew_and_told(self, tmp_path: Path, told: Told, file: str, content: bytes | None) -> None:
        first = self.make(tmp_path, told)
        first.look(NOW)
        if content is None:
            (tmp_path / file).unlink()
        else:
            (tmp_path / file).write_bytes(content)
        second = self.make(tmp_path, told)
        assert second.authority != first.authority
        assert len(told.alarms) == 1
        assert "clients need its certificate" in told.alarms[0]
        second.look(NOW)
        assert second.identity is not None
        leaf = x509.load_pem_x509_certificate(second.identity.chain)
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(second.authority))

    @pytest.mark.parametrize("content", [b"", b"rubbish", issued("other").chain + issued("other").key])
    def test_a_damaged_leaf_is_issued_anew_without_a_word_of_alarm(self, tmp_path: Path, told: Told, content: bytes) -> None:
        self.make(tmp_path, told).look(NOW)
        (tmp_path / "nts-leaf.pem").write_bytes(content)
        own = self.make(tmp_path, told)
        assert own.look(NOW)
        assert own.identity is not None
        assert own.identity.names == NAMES
        assert told.alarms == []

    def test_without_a_place_to_keep_it_one_is_served_all_the_same(self, tmp_path: Path, told: Told) -> None:
        (tmp_path / "file").write_text("in the way")
        own = self.make(tmp_path / "file", told)
        assert own.look(NOW)
        assert own.identity is not None
        assert sum("made anew at the next start" in each for each in told.alarms) == 3

    def test_after_the_authority_s_own_end_there_is_a_new_one(self, tmp_path: Path, told: Told) -> None:
        own = self.make(tmp_path, told)
        before = own.authority
        own.look(from_rfc3339("2060-01-01"))
        assert own.authority != before
        assert told.alarms


def test_any_usual_key_will_do() -> None:
    for key, kind in ((rsa.generate_private_key(65537, 2048), "RSA 2048"), (ed25519.Ed25519PrivateKey.generate(), "Ed25519")):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        name = x509.Name([])
        signing = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
        leaf = x509.load_pem_x509_certificate(issued().chain)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), 5, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
            .sign(key, signing)
        )
        identity = read_identity(made.public_bytes(Encoding.PEM), pem)
        assert (identity.kind, identity.names) == (kind, ("a.example",))


def test_the_names_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "gps")
    assert host_names("127.0.0.1", ()) == ("gps", "gps.local", "localhost", "127.0.0.1", "::1")
    assert host_names("192.0.2.7", ("Clock.Example.org.", "2001:DB8::0")) == (
        "clock.example.org",
        "gps",
        "gps.local",
        "2001:db8::",
        "192.0.2.7",
    )
    everywhere = host_names("::", ("192.0.2.9",))
    assert everywhere[:3] == ("gps", "gps.local", "localhost")
    assert {"192.0.2.9", "127.0.0.1", "::1"} <= set(everywhere)
    monkeypatch.setattr("socket.gethostname", lambda: "gps.example.org")
    assert host_names("::1", ()) == ("gps.example.org", "localhost", "127.0.0.1", "::1")
    monkeypatch.setattr("socket.gethostname", lambda: "no name!")
    assert host_names("192.0.2.7", ()) == ("192.0.2.7",)
