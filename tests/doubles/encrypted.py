"""GitHub's double as an Enterprise Server has it: behind TLS, with an authority that nobody else knows."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.doubles.github import GitHub

if TYPE_CHECKING:
    from pathlib import Path


class EncryptedGitHub(GitHub):
    """The double behind TLS, with a certificate that only its own authority stands for."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (folder / "key.pem").write_bytes(pem(key))
        (folder / "certificate.pem").write_bytes(certificate(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        # each connection's own thread shakes hands: who connects and is silent holds nobody else up
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def url(self) -> str:
        """Its address; the certificate is good for that."""
        return super().url.replace("http:", "https:")


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key in the form in which GitHub gives it to an App."""
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def public(key: rsa.RSAPrivateKey) -> str:
    """Return the public half."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def certificate(key: rsa.RSAPrivateKey) -> bytes:
    """Return a certificate for this machine that the key itself signed."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An authority of one's own")])
    now, here = datetime.now(UTC), x509.IPAddress(ip_address("127.0.0.1"))
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + timedelta(days=1),
    ).add_extension(x509.SubjectAlternativeName([here]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
