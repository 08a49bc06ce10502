"""Trial certificates name parties and hosts, and TLS takes them in both directions."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from fate_federated.errors import ConfigError
from fate_federated.party import Party, Role
from fate_federated.site.certificates import issue_certificate, make_authority, named_hosts, party_uri

GUEST, HOST = Party(Role.GUEST, "9999"), Party(Role.HOST, "10000")


def test_a_certificate_names_its_parties_and_hosts() -> None:
    authority, key = make_authority("trial")
    certificate, _ = issue_certificate(authority, key, "bank", [GUEST, HOST], ["fl.bank.example", "10.0.0.7"])
    parsed = x509.load_pem_x509_certificate(certificate)
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "fate://party/guest-9999",
        "fate://party/host-10000",
    ]
    assert party_uri(GUEST) == "fate://party/guest-9999"
    assert named_hosts(certificate) == ("fl.bank.example", "10.0.0.7")
    usage = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_is_valid_for_as_long_as_asked() -> None:
    authority, key = make_authority("trial")
    certificate, _ = issue_certificate(authority, key, "bank", [GUEST], ["localhost"], days=30)
    end = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    assert abs(end - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


def test_an_authority_signs_only_with_its_own_key() -> None:
    authority, _ = make_authority("one")
    _, other_key = make_authority("two")
    with pytest.raises(ConfigError, match="not that of its certificate"):
        issue_certificate(authority, other_key, "bank", [GUEST], ["localhost"])


def test_what_is_no_certificate_is_a_config_error() -> None:
    _, key = make_authority("one")
    with pytest.raises(ConfigError, match="cannot be read"):
        issue_certificate(b"nothing", key, "bank", [GUEST], ["localhost"])
    with pytest.raises(ConfigError, match="cannot be read"):
        named_hosts(b"nothing")


def test_two_sites_of_one_authority_trust_each_other_and_nobody_else(tmp_path: Path) -> None:
    authority, key = make_authority("trial")
    stranger, stranger_key = make_authority("stranger")
    _write(tmp_path, "server", issue_certificate(authority, key, "bank", [GUEST], ["localhost"]))
    _write(tmp_path, "client", issue_certificate(authority, key, "shop", [HOST], ["localhost"]))
    _write(tmp_path, "forged", issue_certificate(stranger, stranger_key, "shop", [HOST], ["localhost"]))
    (tmp_path / "authority.pem").write_bytes(authority)
    assert _shake_hands(tmp_path, "server", "client", "localhost") == (("URI", "fate://party/host-10000"),)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shake_hands(tmp_path, "server", "client", "elsewhere.example")
    with pytest.raises(ssl.SSLError):
        _shake_hands(tmp_path, "server", "forged", "localhost")
    with pytest.raises(ssl.SSLError):
        _shake_hands(tmp_path, "forged", "client", "localhost")


def _write(folder: Path, name: str, pair: tuple[bytes, bytes]) -> None:
    (folder / f"{name}.pem").write_bytes(pair[0])
    (folder / f"{name}.key").write_bytes(pair[1])


def _shake_hands(folder: Path, server: str, client: str, host: str) -> tuple[tuple[str, str], ...]:
    """A TLS handshake in memory; the URIs by which the server knows the client."""
    contexts = []
    for name, purpose in ((server, ssl.Purpose.CLIENT_AUTH), (client, ssl.Purpose.SERVER_AUTH)):
        context = ssl.create_default_context(purpose, cafile=str(folder / "authority.pem"))
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        context.verify_mode = ssl.CERT_REQUIRED
        contexts.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        contexts[0].wrap_bio(to_server, to_client, server_side=True),
        contexts[1].wrap_bio(to_client, to_server, server_hostname=host),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            break
    certificate = ends[0].getpeercert()
    assert certificate is not None
    return tuple(name for name in certificate["subjectAltName"] if name[0] == "URI")
