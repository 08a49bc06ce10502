"""What a certificate says about its holder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from fate_federated.errors import SiteError
from fate_federated.party import Party

PARTY_URI = "fate://party/"


def check_names_parties(file: Path, parties: Sequence[Party]) -> None:
    """See that a site's certificate, in PEM, names all of its parties: other sites would refuse the others.

    Raises:
        SiteError: it cannot be read, or a party is missing; the text names the file, what it names and what not.
    """
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SiteError(f"The certificate {file} cannot be read: {error}") from error
    named = named_parties(certificate)
    missing = [str(party) for party in parties if str(party) not in named]
    if missing:
        raise SiteError(
            f"The certificate {file} names {', '.join(named) or 'no party'}, and not {', '.join(missing)}, which "
            "this site hosts. Have one issued with these URIs in its subject alternative names: "
            f"{', '.join(PARTY_URI + party for party in missing)}. Trial certificates: `fate certs`."
        )


def named_parties(certificate: x509.Certificate) -> tuple[str, ...]:
    """The parties that a certificate names, as ``str(party)`` writes them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return tuple(uri.removeprefix(PARTY_URI) for uri in uris if uri.startswith(PARTY_URI))
