"""Mail by SMTP with TLS: plain text and HTML with tables and inline styles, as mail clients require them."""

from __future__ import annotations

import asyncio
import contextlib
import email.policy
import enum
import html
import smtplib
import socket
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, ClassVar, Final

import msgspec

from kubekeep_server.notifications.destination import Destination, OptionalSecret, OptionalText, Text
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.messages import Line, Message, Section, write_plain
from kubekeep_server.notifications.network import SECONDS, Network

_STEP_SECONDS: Final = 15
_SERVER_ERROR: Final = 500
_LONGEST_SUBJECT: Final = 200
_COLOURS: Final = {"critical": "#a30000", "high": "#c9190b", "medium": "#b1591a", "low": "#3d6b8c"}
_FONT: Final = "font-family:Arial,Helvetica,sans-serif"


class Encryption(enum.StrEnum):
    """Encryption of the connection. None: for a relay on the same machine or network, without a password."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Mail(Destination, frozen=True, kw_only=True):
    """Addresses that get mail by a server. sender, recipients: mail addresses. user, password: of the server; empty for none."""

    secret_names: ClassVar[frozenset[str]] = frozenset({"password"})
    host: Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    encryption: Encryption = Encryption.STARTTLS
    sender: Text
    recipients: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=50)]
    user: OptionalText = ""
    password: OptionalSecret = ""

    def check(self) -> None:
        """Raise ValueError for an address that is none, and a password that would be sent without encryption."""
        for address in (self.sender, *self.recipients):
            parse_address(address)
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password require each other")
        if self.password and self.encryption is Encryption.NONE:
            raise ValueError("a password requires encryption: use starttls or tls")

    def render(self, message: Message) -> str:
        """Return the plain text."""
        return write_plain(message)

    async def send(self, message: Message, network: Network) -> None:
        """Send a mail. Raises DeliveryError."""
        address = await network.policy.resolve(self.host, self.port)
        session = _Session(self, address, network.tls)
        sending = asyncio.get_running_loop().run_in_executor(None, session.send_all, self.build(message))
        try:
            async with asyncio.timeout(SECONDS):
                await asyncio.shield(sending)
        except TimeoutError as error:
            session.abort()
            with contextlib.suppress(OSError, smtplib.SMTPException):
                await sending
            raise DeliveryError(f"{self.host}: not sent within {SECONDS} seconds") from error
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise DeliveryError(
                f"{self.host}: recipients refused: {codes}", is_final=min(codes) >= _SERVER_ERROR
            ) from error
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= _SERVER_ERROR
            raise DeliveryError(f"{self.host}: {type(error).__name__}: {error.smtp_code}", is_final=is_final) from error
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"{self.host}: {type(error).__name__}") from error

    def build(self, message: Message) -> EmailMessage:
        """Return the mail. Its `Message-ID` is the same in each attempt, and its thread is that of the problem."""
        mail = EmailMessage(policy=email.policy.SMTP)
        domain = parse_address(self.sender).domain
        mail["Subject"] = f"[Kubekeep] {message.title[:_LONGEST_SUBJECT]}"
        mail["From"] = parse_address(self.sender)
        mail["To"] = tuple(parse_address(recipient) for recipient in self.recipients)
        mail["Date"] = format_datetime(message.moment)
        mail["Message-ID"] = f"<kubekeep-{message.id}@{domain}>"
        mail["References"] = f"<kubekeep-{message.key}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(write_plain(message))
        mail.add_alternative(write_html(message), subtype="html")
        return mail


class _Session(smtplib.SMTP):
    """A connection to a checked address. Used by one thread, but for `abort`."""

    def __init__(self, settings: Mail, address: str, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._address = address
        self._tls = tls
        self._opened: socket.socket | None = None
        # Connects later: the constructor of smtplib connects if it gets a host.
        super().__init__(timeout=_STEP_SECONDS)
        self._host = settings.host

    def send_all(self, mail: EmailMessage) -> None:
        """Connect and send. Raises OSError and SMTPException."""
        settings = self._settings
        try:
            self.connect(settings.host, settings.port)
            if settings.encryption is Encryption.STARTTLS:
                self.starttls(context=self._tls)
            if settings.user:
                self._sign_in()
            self.send_message(mail)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self.quit()
        finally:
            self.close()

    def _sign_in(self) -> None:
        try:
            self.login(self._settings.user, self._settings.password)
        except smtplib.SMTPServerDisconnected as error:
            # smtplib tries each mechanism, and servers end the connection after some refusals. More would lock the account.
            text = f"{self._settings.host}: the server closed the connection while the user signed in"
            raise DeliveryError(text, is_final=True) from error

    def abort(self) -> None:
        """End the connection, so that the thread ends."""
        if self._opened is not None:
            with contextlib.suppress(OSError):
                self._opened.shutdown(socket.SHUT_RDWR)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect to the checked address; smtplib would resolve the name again."""
        opened = socket.create_connection((self._address, port), timeout)
        self._opened = opened
        if self._settings.encryption is Encryption.TLS:
            self._opened = opened = self._tls.wrap_socket(opened, server_hostname=host)
        return opened


def parse_address(text: str) -> Address:
    """Return a mail address. Raises ValueError."""
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{text!r} is no mail address") from error
    if not address.domain or not text.isascii() or not text.isprintable():
        raise ValueError(f"{text!r} is no mail address of ASCII characters")
    return address


def write_html(message: Message) -> str:
    """Return a document without scripts, images or addresses of others."""
    title, text = html.escape(message.title), html.escape(message.text)
    colour = "#3e8635" if message.is_fix else _COLOURS.get(message.priority, "#4d5258")
    button = (
        f'<p style="margin:20px 0"><a href="{html.escape(message.url)}" style="background:#0066cc;color:#ffffff;'
        'padding:10px 16px;text-decoration:none;border-radius:3px;display:inline-block">Open in Kubekeep</a></p>'
    )
    parts = (
        f'<h1 style="font-size:18px;line-height:24px;margin:0 0 12px 0">{title}</h1>',
        f'<p style="margin:0 0 12px 0">{text}</p>' if text else "",
        *map(_write_section, message.sections),
        button if message.url else "",
        f'<p style="font-size:12px;color:#6a6e73">Sent by the notification rule {html.escape(message.rule)} of Kubekeep.</p>'
        if message.rule
        else "",
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        '<meta name="supported-color-schemes" content="light dark">'
        f"<title>{title}</title></head>"
        f'<body style="margin:0;padding:0;{_FONT}"><table role="presentation" width="100%" cellpadding="0" cellspacing="0">'
        '<tr><td align="center" style="padding:16px">'
        '<table role="presentation" width="640" cellpadding="0" cellspacing="0" style="max-width:640px;width:100%">'
        f'<tr><td style="border-top:4px solid {colour};padding:20px 8px;font-size:14px;line-height:20px;{_FONT}">'
        f"{''.join(parts)}</td></tr></table></td></tr></table></body></html>"
    )


def _write_section(section: Section) -> str:
    rows = "".join(map(_write_row, section.lines))
    more = f'<p style="margin:4px 0 16px 0">and {section.more} more</p>' if section.more else ""
    return (
        f'<h2 style="font-size:14px;margin:16px 0 6px 0">{html.escape(section.heading)}</h2>'
        f'<table width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse">{rows}</table>{more}'
    )


def _write_row(line: Line) -> str:
    cell = "border-bottom:1px solid #d2d2d2;padding:6px 8px 6px 0;vertical-align:top;font-size:14px"
    text = html.escape(line.text)
    linked = f'<a href="{html.escape(line.url)}" style="color:#0066cc">{text}</a>' if line.url else text
    detail = f'<br><span style="font-size:12px">{html.escape(line.detail)}</span>' if line.detail else ""
    colour = _COLOURS.get(line.priority, "#4d5258")
    priority = f'<td style="{cell};color:{colour};font-weight:bold;width:72px">{html.escape(line.priority)}</td>'
    return f'<tr>{priority if line.priority else ""}<td style="{cell}">{linked}{detail}</td></tr>'
