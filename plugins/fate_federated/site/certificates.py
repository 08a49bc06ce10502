"""Certificates for trials: an authority, and one certificate per site that names its parties.

An organisation that has an authority of its own uses that, and puts the same URIs into its certificates.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fate_federated.errors import ConfigError
from fate_federated.party import Party
from fate_federated.transport.certificate import PARTY_URI

DEFAULT_DAYS = 365


def party_uri(party: Party) -> str:
    """How a certificate's subject alternative names say that its holder speaks for a party."""
    return f"{PARTY_URI}{party}"


def make_authority(name: str, days: int = DEFAULT_DAYS) -> tuple[bytes, bytes]:
    """A self-signed authority on P-256.

    Returns:
        its certificate and its private key, PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    certificate = (
        _builder(subject, subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _certificate_pem(certificate), _key_pem(key)


def issue_certificate(
    authority_cert: bytes,
    authority_key: bytes,
    site_name: str,
    parties: Sequence[Party],
    hosts: Sequence[str],
    days: int = DEFAULT_DAYS,
) -> tuple[bytes, bytes]:
    """A certificate with which a site serves and calls, and speaks for its parties.

    Args:
        hosts: DNS names and IP addresses at which others reach the site's gateway.

    Returns:
        the certificate and its private key, PEM.

    Raises:
        ConfigError: the authority's files are not a certificate and its key.
    """
    try:
        authority = x509.load_pem_x509_certificate(authority_cert)
        signing_key = serialization.load_pem_private_key(authority_key, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"The authority's certificate or key cannot be read: {error}") from error
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey) or signing_key.public_key() != authority.public_key():
        raise ConfigError("The authority's key is not an elliptic-curve key, or not that of its certificate.")
    names = [x509.UniformResourceIdentifier(party_uri(party)) for party in parties]
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(site_name), authority.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([*names, *map(_host_name, hosts)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    return _certificate_pem(certificate), _key_pem(key)


def named_hosts(certificate_pem: bytes) -> tuple[str, ...]:
    """The DNS names and IP addresses of a certificate, in its order.

    Raises:
        ConfigError: it is not a certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError as error:
        raise ConfigError(f"A certificate cannot be read: {error}") from error
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names if isinstance(name, (x509.DNSName, x509.IPAddress)))


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # The clocks of two organisations differ by minutes.
        .not_valid_before(now - timedelta(minutes=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
