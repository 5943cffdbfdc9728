import datetime
import ipaddress
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from grounding.delivery.options import DeliveryOptions
from grounding.delivery.sender import WebhookSender
from streamer.address_policy import AddressPolicy
from tests.grounding.delivery.messages import delivery
from tests.grounding.delivery.receiver import babble, listening

LOCAL = AddressPolicy(loopback=True, private=False)
PATIENT = DeliveryOptions(connect_timeout_seconds=30.0, total_timeout_seconds=60.0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key, for hooks.test and 127.0.0.2."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.test")])
    names = [x509.DNSName("hooks.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hooks.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "why"),
    [
        ("hooks.test", True, ""),
        ("other.test", True, "certificate of other.test:PORT is not valid for it"),
        ("127.0.0.2", True, ""),
        ("127.0.0.3", True, "certificate of 127.0.0.3:PORT is not valid for it"),
        ("hooks.test", False, "certificate of hooks.test:PORT is not valid for it"),
    ],
)
def test_the_name_is_verified_though_the_address_is_called(
    host: str,
    trusted: bool,
    why: str,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    client = ssl.create_default_context(cafile=str(certificate) if trusted else None)
    truly = socket.getaddrinfo

    def answer(name: str, *rest: object, **wanted: object) -> object:
        return truly(name.replace(host, "127.0.0.1"), *rest, **wanted)  # type: ignore[call-overload]

    with listening(tls=server) as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", answer)
        url = receiver.url.replace("127.0.0.1", host)
        outcome = WebhookSender(LOCAL, PATIENT, client).send(delivery(url=url))
    port = url.split(":")[2].split("/")[0]
    assert why.replace("PORT", port) in outcome.why
    assert outcome.result == ("retry" if why else "accepted")


def test_a_server_without_tls_is_explained() -> None:
    with listening(babble) as receiver:
        url = receiver.url.replace("http", "https")
        outcome = WebhookSender(LOCAL, PATIENT).send(delivery(url=url))
    assert outcome.result == "retry"
    assert "TLS" in outcome.why
