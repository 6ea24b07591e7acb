"""TLS for a site without a certificate of its own: a local authority, made once, kept by the site.

Browsers give a camera only to pages of localhost or of a trusted certificate, so the authority's
certificate can be fetched and installed (``/certificate``); its key never leaves the data folder.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sightgrid.domain.errors import OutputError, SettingsError

AUTHORITY_FILE = "authority.pem"
_AUTHORITY_KEY_FILE = "authority.key"
_CERTIFICATE_FILE = "server.pem"
_KEY_FILE = "server.key"
_AUTHORITY_VALID = timedelta(days=3650)
# what browsers accept at most
_CERTIFICATE_VALID = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate chain and its key, PEM. ``authority`` is the local one's, if it is that."""

    certificate: Path
    key: Path
    authority: Path | None = None


def given_files(certificate: Path, key: Path) -> TlsFiles:
    """The site's own files.

    Raises:
        SettingsError: one of them can't be read, or they don't belong together.
    """
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(f"{error.filename}: can't be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise SettingsError(
            f"{certificate} and {key} must be a certificate and its unencrypted key, in PEM"
        ) from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if chain[0].public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise SettingsError(f"{key} is not the key of {certificate}")
    return TlsFiles(certificate, key)


def local_files(folder: Path, *, names: frozenset[str], now: datetime) -> TlsFiles:
    """A certificate of the site's own authority, for these host names and addresses.

    Both are made when first needed; the server's certificate anew before it ends, or when it does
    not hold one of the names.

    Raises:
        OutputError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = _authority(folder, now)
    certificate, key = folder / _CERTIFICATE_FILE, folder / _KEY_FILE
    if not (certificate.exists() and key.exists() and _serves(certificate, names, now)):
        private = ec.generate_private_key(ec.SECP256R1())
        made = (
            _builder("sightgrid", authority.subject, private, now, _CERTIFICATE_VALID)
            .add_extension(
                x509.SubjectAlternativeName([_name(name) for name in sorted(names)]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        _write_private(key, _pem(private))
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return TlsFiles(certificate, key, folder / AUTHORITY_FILE)


def names_of_this_machine(listen: str) -> frozenset[str]:
    """What this machine may be called by those who connect to it."""
    names = {"localhost", "127.0.0.1", "::1", socket.gethostname()}
    if listen not in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        names.add(listen)
    # a machine's own name may lead nowhere; localhost is left then
    with suppress(OSError):
        names |= {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)}
    return frozenset(name.partition("%")[0] for name in names if name)


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate, key = folder / AUTHORITY_FILE, folder / _AUTHORITY_KEY_FILE
    if certificate.exists() and key.exists():
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise SettingsError(f"{key} is no key that sightgrid made")
        return x509.load_pem_x509_certificate(certificate.read_bytes()), private
    private = ec.generate_private_key(ec.SECP256R1())
    subject = f"sightgrid local authority {socket.gethostname()}"[:64]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    made = (
        _builder(subject, name, private, now, _AUTHORITY_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(private, hashes.SHA256())
    )
    _write_private(key, _pem(private))
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return made, private


def _builder(
    subject: str,
    issuer: x509.Name,
    private: ec.EllipticCurvePrivateKey,
    now: datetime,
    valid: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # a box's clock may be a little behind
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + valid)
    )


def _serves(certificate: Path, names: frozenset[str], now: datetime) -> bool:
    try:
        held = x509.load_pem_x509_certificate(certificate.read_bytes())
        alternatives = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    told = set(alternatives.get_values_for_type(x509.DNSName)) | {
        str(address) for address in alternatives.get_values_for_type(x509.IPAddress)
    }
    return names <= told and held.not_valid_after_utc - now > _RENEW_BEFORE


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_private(path: Path, data: bytes) -> None:
    try:
        # made private from the start, not afterwards
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror}") from error
