"""Mail to a real SMTP server: encryption, sign-in, both texts, refusals, and servers that are slow or change their mind."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.policy
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import lxml.html
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep_server.notifications import mail as mail_module
from kubekeep_server.notifications.addresses import AddressPolicy
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.mail import Encryption, Mail
from kubekeep_server.notifications.messages import Message
from kubekeep_server.notifications.network import Network
from tests.server.notification_messages import HOSTILE, HOSTILE_MESSAGE, MESSAGE, URL

HOST: Final = "127.0.0.1"
PASSWORD: Final = "a password of a test"  # noqa: S105


class Mailbox:
    """The handler of a server, which keeps mail. refusal: the answer to recipients; empty to accept."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusal = ""
        self.recipients: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        del server, session, options
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        self.recipients += envelope.rcpt_tos
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return the context of a server whose certificate is trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


def authenticate(server: SMTP, session: Any, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    del server, session, envelope, mechanism
    return AuthResult(success=isinstance(data, LoginPassword) and data.password == PASSWORD.encode())


class SmtpServer(Controller):
    """A server on a free port."""

    def factory(self) -> SMTP:
        return SMTP(self.handler, **self.SMTP_kwargs)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox, certificate: ssl.SSLContext) -> Iterator[int]:
    """Yield the port of a server that requires STARTTLS and a password."""
    yield from run(
        mailbox, require_starttls=True, tls_context=certificate, auth_required=True, authenticator=authenticate
    )


def run(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        port = int(bound.getsockname()[1])
    controller = SmtpServer(mailbox, hostname=HOST, port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def build(port: int, **fields: Any) -> Mail:
    values = {"user": "kubekeep", "password": PASSWORD, **fields}
    return Mail(
        host=HOST, port=port, sender="kubekeep@example.com", recipients=("team@example.com", "b@example.com"), **values
    )


def send(destination: Mail, message: Message = MESSAGE) -> None:
    asyncio.run(destination.send(message, Network(AddressPolicy(("127.0.0.0/8",)))))


def test_mail_has_both_texts(server: int, mailbox: Mailbox) -> None:
    send(build(server))
    (received,) = mailbox.mails
    assert mailbox.recipients == ["team@example.com", "b@example.com"]
    assert received["Subject"] == f"[Kubekeep] {MESSAGE.title}"
    assert received["Message-ID"] == "<kubekeep-1-2@example.com>"
    assert received["Auto-Submitted"] == "auto-generated"
    plain, page = (received.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    text = plain.get_content()
    assert text.splitlines()[0] == MESSAGE.title
    assert "- [critical] Privileged container: Deployment web (namespace shop)" in text
    document = lxml.html.document_fromstring(page.get_content())
    assert [element.text for element in document.iter("h1")] == [MESSAGE.title]
    assert {element.get("href") for element in document.iter("a")} == {URL}
    assert not [element.tag for element in document.iter("script", "img", "link", "style", "form")]


def test_hostile_text_is_shown_as_it_is(server: int, mailbox: Mailbox) -> None:
    send(build(server), HOSTILE_MESSAGE)
    (received,) = mailbox.mails
    page = received.get_body(("html",))
    assert page is not None
    document = lxml.html.document_fromstring(page.get_content())
    assert not list(document.iter("script"))
    assert [element.text for element in document.iter("h1")] == [HOSTILE]
    assert {element.get("href") for element in document.iter("a")} == {URL}


def test_connection_is_encrypted_from_the_beginning(mailbox: Mailbox, certificate: ssl.SSLContext) -> None:
    for port in run(mailbox, ssl_context=certificate):
        send(build(port, encryption=Encryption.TLS, user="", password=""))
        assert len(mailbox.mails) == 1


def test_server_without_encryption_gets_nothing(mailbox: Mailbox) -> None:
    for port in run(mailbox):
        with pytest.raises(DeliveryError, match="SMTPNotSupportedError"):
            send(build(port))
        send(build(port, encryption=Encryption.NONE, user="", password=""))
        assert len(mailbox.mails) == 1


def test_certificate_of_another_authority_is_refused(
    server: int, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
        send(build(server))
    assert not mailbox.mails


def test_wrong_password_is_final_and_in_no_message(server: int) -> None:
    with pytest.raises(DeliveryError) as failure:
        send(build(server, password="other secret"))  # noqa: S106
    assert failure.value.is_final
    assert "other secret" not in str(failure.value)


@pytest.mark.parametrize(("refusal", "is_final"), [("550 no such user", True), ("451 try later", False)])
def test_refused_recipients(server: int, mailbox: Mailbox, refusal: str, is_final: bool) -> None:  # noqa: FBT001
    mailbox.refusal = refusal
    with pytest.raises(DeliveryError, match="recipients refused") as failure:
        send(build(server))
    assert failure.value.is_final is is_final


def test_server_that_never_ends_an_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_module, "SECONDS", 2)
    stop = threading.Event()
    with socket.create_server((HOST, 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(DeliveryError, match="not sent within"):
            send(build(listener.getsockname()[1]))
        stop.set()
        thread.join()
