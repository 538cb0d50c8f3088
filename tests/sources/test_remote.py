"""Downloads from real servers on the loopback address: with TLS, slow, endless, lying and circular."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import gzip
import http.server
import ipaddress
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubekeep.sources.remote.connection import Connection, check_redirect
from kubekeep.sources.remote.fetch import RemoteError, RemoteLimits, fetch
from kubekeep.sources.remote.source import SOURCE
from tests.sources.packing import POD

SMALL = RemoteLimits(manifest=1 << 16, archive=1 << 18, seconds=1)
PATIENT = RemoteLimits(manifest=1 << 16, archive=1 << 18, seconds=20)
SECRET = "s3cr3t"  # noqa: S105 - made up


class Server(http.server.BaseHTTPRequestHandler):
    """Server with responses by path; its requests are recorded in `requests`."""

    protocol_version = "HTTP/1.1"
    # Otherwise a body waits until the client has acknowledged the headers.
    disable_nagle_algorithm = True
    requests: ClassVar[list[http.server.BaseHTTPRequestHandler]] = []
    target: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.requests.append(self)
        self.close_connection = True
        with contextlib.suppress(OSError):
            getattr(self, f"get_{self.path.strip('/').partition('?')[0].partition('.')[0]}")()

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        if "Transfer_Encoding" not in headers:
            headers = {"Content_Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def get_pod(self) -> None:
        self.reply(POD, Content_Type="application/yaml", Set_Cookie="id=1; Path=/")

    def get_to(self) -> None:
        self.reply(b"", 302, Location=self.target, Set_Cookie="id=1; Path=/")

    def get_chain(self) -> None:
        count = int(self.path.partition("?")[2])
        self.reply(b"", 307, Location=f"/chain?{count - 1}" if count > 1 else "/pod.yaml")

    def get_missing(self) -> None:
        self.reply(b"nothing", 404)

    def get_page(self) -> None:
        self.reply(b"<p>", Content_Type="text/html; charset=utf-8")

    def get_hidden(self) -> None:
        self.reply(b"\n  <!DOCTYPE html><html>", Content_Type="text/plain")

    def get_long(self) -> None:
        self.reply(b"a" * (1 << 17))

    def get_announced(self) -> None:
        self.reply(b"", Content_Length=str(1 << 40))

    def get_endless(self) -> None:
        self.reply(b"", Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")

    def get_short(self) -> None:
        self.reply(POD, Content_Length=str(len(POD) + 1))

    def get_beyond(self) -> None:
        self.reply(POD + b"more", Content_Length=str(len(POD)))

    def get_gzip(self) -> None:
        self.reply(gzip.compress(POD * 9), Content_Encoding="gzip")

    def get_bomb(self) -> None:
        self.reply(gzip.compress(bytes(64 << 20)), Content_Encoding="gzip")

    def get_double(self) -> None:
        self.reply(gzip.compress(gzip.compress(bytes(1 << 20))), Content_Encoding="gzip, gzip")

    def get_brotli(self) -> None:
        self.reply(b"\x0b", Content_Encoding="br")

    def get_nogzip(self) -> None:
        self.reply(POD, Content_Encoding="gzip")

    def get_cutgzip(self) -> None:
        self.reply(gzip.compress(POD * 9)[:-9], Content_Encoding="gzip")

    def get_twogzips(self) -> None:
        self.reply(gzip.compress(POD) + gzip.compress(POD), Content_Encoding="gzip")

    def get_chart(self) -> None:
        self.reply(gzip.compress(bytes(100_000)), Content_Encoding="gzip")

    def get_slow(self) -> None:
        """Headers that never end, a few bytes now and then."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(200):
            self.wfile.write(b"A%d: b\r\n" % number)
            time.sleep(0.05)

    def get_dribble(self) -> None:
        self.reply(b"", Content_Length="60000")
        for _ in range(200):
            self.wfile.write(b"a")
            time.sleep(0.05)

    def get_silent(self) -> None:
        time.sleep(5)

    def get_garbage(self) -> None:
        self.wfile.write(b"\x1b[2J garbage\r\n\r\n")

    def get_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1_000_000)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Iterator[str]:
    with http.server.ThreadingHTTPServer((host, 0), Server) as server:
        server.daemon_threads, server.block_on_close = True, False
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"{'https' if context else 'http'}://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(Server, "requests", [])
    with serving() as address:
        yield address


@pytest.fixture
def tls(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with a certificate trusted in this test's environment."""
    assert server
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "both.pem").write_bytes(key.private_bytes(*encoding) + pem)
    (tmp_path / "authority.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with serving(context=context) as address:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        yield address


def refusal(url: str, limits: RemoteLimits = PATIENT) -> str:
    with pytest.raises(RemoteError) as error, fetch(url, limits):
        pass
    message = str(error.value)
    assert SECRET not in message
    assert message.isprintable()
    return message


def test_download_over_tls(tls: str, tmp_path: Path) -> None:
    with fetch(f"{tls}/pod.yaml") as fetched:
        path = Path(fetched.path)
        assert path.read_bytes() == POD
        assert path.name == "pod.yaml"
        assert (fetched.display_url, fetched.notes) == (f"{tls}/pod.yaml", ())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not path.is_relative_to(tmp_path)
    assert not path.parent.exists()


def test_untrusted_certificate_is_rejected(tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "certificate" in refusal(f"{tls}/pod.yaml").lower()
    assert Server.requests == []


def test_plain_http_is_reported(server: str) -> None:
    with fetch(f"{server}/pod.yaml") as fetched:
        assert fetched.notes == ("fetched without TLS: the content could have been read or changed on the network",)


def test_secrets_are_not_shown(server: str) -> None:
    address = server.removeprefix("http://")
    url = f"http://ann:{SECRET}@{address}/pod.yaml?token={SECRET}#{SECRET}"
    with fetch(url) as fetched:
        assert fetched.display_url == f"{server}/pod.yaml"
    (entry,) = Server.requests
    assert entry.headers["Authorization"] == f"Basic {base64.b64encode(f'ann:{SECRET}'.encode()).decode()}"
    assert entry.path == f"/pod.yaml?token={SECRET}"
    assert refusal(url.replace("pod", "missing")) == f"{server}/missing.yaml responded with 404 Not Found"
    assert refusal(f"http://ann:{SECRET}@127.0.0.1:{SECRET}/") == "not a valid URL"


def test_passwords_and_cookies_are_not_forwarded(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = server.removeprefix("http://")
    with serving() as other:
        monkeypatch.setattr(Server, "target", f"{other.replace('//', '//bob:x@')}/pod.yaml")
        with fetch(f"http://ann:{SECRET}@{address}/to?a") as fetched:
            assert Path(fetched.path).read_bytes() == POD
        first, second = Server.requests
        assert first.headers["Authorization"]
        assert second.headers["Authorization"] is None
        assert second.headers["Cookie"] is None
    with fetch(f"http://ann:{SECRET}@{address}/chain?1") as fetched:
        assert Path(fetched.path).read_bytes() == POD
    assert Server.requests[-1].headers["Authorization"]


def test_redirects_are_followed(server: str) -> None:
    with fetch(f"{server}/chain?5") as fetched:
        assert Path(fetched.path).read_bytes() == POD
        assert Path(fetched.path).name == "chain"
    assert refusal(f"{server}/chain?6") == f"{server}/chain redirects more than 5 times"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "responded with 302 Found"),
        ("/to", "redirects more than 5 times"),
        ("file:///etc/passwd", "redirects to file:/etc/passwd: not followed"),
        ("ftp://127.0.0.1/a", "redirects to ftp://127.0.0.1/a: not followed"),
        ("http://127.0.0.1:x/", "redirects to an invalid address"),
        ("http://169.254.169.254/latest", "a redirect to 169.254.169.254 is not followed"),
        ("http://[fd00:ec2::254]/latest", "a redirect to fd00:ec2::254 is not followed"),
        ("http://[::ffff:169.254.169.254]/", "a redirect to 169.254.169.254 is not followed"),
        ("http://[64:ff9b::a9fe:a9fe]/", "a redirect to 169.254.169.254 is not followed"),
        ("http://100.100.100.200/", "a redirect to 100.100.100.200 is not followed"),
        ("http://0.0.0.0:1/", "a redirect to 0.0.0.0 is not followed"),
    ],
)
def test_rejected_redirect_targets(server: str, monkeypatch: pytest.MonkeyPatch, target: str, reason: str) -> None:
    monkeypatch.setattr(Server, "target", target)
    assert refusal(f"{server}/to?{SECRET}").endswith(reason)


def test_redirect_from_tls_to_plain_http_is_rejected(tls: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "target", f"{server}/pod.yaml?{SECRET}")
    assert refusal(f"{tls}/to") == f"{tls}/to redirects to {server}/pod.yaml: not followed"
    monkeypatch.setattr(Server, "target", f"{tls}/pod.yaml")
    with fetch(f"{server}/to") as fetched:
        assert Path(fetched.path).read_bytes() == POD


@pytest.mark.parametrize("target", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "192.168.1.1", "[fd12::1]"])
def test_redirect_from_public_to_private_address(server: str, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """A proxy stands for a public server, because it answers for every host."""
    monkeypatch.setattr(Server, "do_GET", lambda self: self.reply(b"", 302, Location=f"http://{target}:1/"))
    monkeypatch.setenv("http_proxy", server)
    assert "a redirect to the private address " in refusal("http://manifests.example/pod.yaml")


def test_redirect_to_name_of_private_address(server: str) -> None:
    """The resolved address is checked when connected, before anything is sent."""
    name, port = "files.example", int(server.rpartition(":")[2])
    with Connection("manifests.example", time.monotonic() + 20) as connection:
        connection.begin(name, is_redirect=True)
        connection.trace("connection.connect_tcp.started", {"host": name})
        stream = httpcore2.SyncBackend().connect_tcp("127.0.0.1", port)
        with pytest.raises(RemoteError, match=r"a redirect to the private address 127\.0\.0\.1"):
            connection.trace("connection.connect_tcp.complete", {"return_value": stream})
    assert Server.requests == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_redirect_to_number_of_private_address(host: str) -> None:
    with Connection("manifests.example", time.monotonic() + 20) as connection:
        with pytest.raises(RemoteError, match=r"a redirect to the private address 127\.0\.0\.1"):
            connection.begin(host, is_redirect=True)
        connection.begin("abc.de", is_redirect=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    check_redirect(address, is_from_public=True)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", " responded with 404 Not Found"),
        (
            "page",
            " is a web page, not a manifest: use the address of the file; on GitHub and GitLab, the link 'Raw'",
        ),
        (
            "hidden.yaml",
            " is a web page, not a manifest: use the address of the file; on GitHub and GitLab, the link 'Raw'",
        ),
        ("long.yaml", " is larger than 65536 bytes"),
        ("announced.tgz", " is larger than 262144 bytes"),
        ("endless", " is larger than 65536 bytes"),
        ("bomb", " is larger than 65536 bytes"),
        ("double", " has an unsupported content encoding"),
        ("brotli", " has an unsupported content encoding"),
        ("nogzip", " is not compressed as declared"),
        ("cutgzip", " cannot be fetched: the content is incomplete"),
        ("twogzips", " has content after the end of the compressed data"),
    ],
)
def test_unusable_responses_are_errors(server: str, path: str, reason: str) -> None:
    assert refusal(f"{server}/{path}") == f"{server}/{path}{reason}"


@pytest.mark.parametrize("path", ["short", "garbage", "headers"])
def test_non_http_response_is_an_error(server: str, path: str) -> None:
    assert refusal(f"{server}/{path}").startswith(f"{server}/{path} cannot be fetched: ")


@pytest.mark.parametrize("path", ["slow", "dribble", "silent"])
def test_slow_servers_time_out(server: str, path: str) -> None:
    assert (
        refusal(f"{server}/{path}", SMALL)
        == f"{server}/{path} cannot be fetched: the time limit of 1 seconds was exceeded"
    )


def test_unfinished_handshake_times_out(server: str) -> None:
    assert server
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/pod.yaml"
        assert refusal(url, SMALL) == f"{url} cannot be fetched: the time limit of 1 seconds was exceeded"


def test_refused_connection_is_an_error(server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert server
    assert refusal(f"http://127.0.0.1:{port}/a").startswith(f"http://127.0.0.1:{port}/a cannot be fetched: ")


def test_body_beyond_content_length_is_ignored(server: str) -> None:
    with fetch(f"{server}/beyond") as fetched:
        assert Path(fetched.path).read_bytes() == POD


def test_compressed_transfer_is_decoded(server: str) -> None:
    with fetch(f"{server}/gzip") as fetched:
        assert Path(fetched.path).read_bytes() == POD * 9
    # A packed chart stays compressed, even if the server declares its compression as an encoding.
    with fetch(f"{server}/chart.tgz") as fetched:
        assert zlib.decompress(Path(fetched.path).read_bytes(), 31) == bytes(100_000)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("pod.yaml", "pod.yaml"),
        ("pod.%2e%2e%2fa%00b.yaml", "a_b.yaml"),
        ("pod./", "manifest"),
        ("pod.x/%2e%2e", "manifest"),
    ],
)
def test_names_of_downloaded_files(server: str, path: str, name: str) -> None:
    with fetch(f"{server}/{path}") as fetched:
        assert Path(fetched.path).name == name


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/a", "a URL must begin with https:// or http:// and a host"),
        ("https://", "a URL must begin with https:// or http:// and a host"),
        ("https://a:b:c/", "not a valid URL"),
        ("https://[::1", "not a valid URL"),
    ],
)
def test_invalid_urls_are_rejected(url: str, reason: str) -> None:
    assert refusal(url) == reason


def test_github_page_suggests_its_raw_file(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "do_GET", Server.get_page)
    monkeypatch.setenv("http_proxy", server)
    output = refusal("http://github.com/owner/repo/blob/main/blob/pod.yaml")
    assert output.endswith(
        "use the address of the file, https://raw.githubusercontent.com/owner/repo/main/blob/pod.yaml"
    )


def test_urls_are_detected() -> None:
    assert SOURCE.matches_address("https://a/b.yaml")
    assert SOURCE.matches_address("HTTP://a")
    assert not any(
        map(SOURCE.matches_address, ["a.yaml", "http:/a", "./https://a", "git@host:a", "file:///a", "C:\\a"])
    )


def test_http_client_is_imported_on_download() -> None:
    script = "import sys; import kubekeep.sources.remote.fetch; print('httpx2' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output == "False\n"
