"""Documents and texts of attackers: refused, or shown as they are. Nothing of them is executed."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import struct
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import msgspec
import pytest
from backports import zstd

from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import SubjectEntry, Submission
from tests.server.hostile.attacked import (
    API,
    LONG,
    MEBIBYTE,
    Attacked,
    build_web,
    describe_state,
    read_memory,
)
from tests.server.test_images import BLOG, WEB, build_content, build_image, build_scan, run
from tests.server.test_ingest import build_subject
from tests.server.test_scans_api import JSON, SCANS, encode, post

DEEP: Final = "[" * 50_000
DOCUMENTS: Final[dict[str, str]] = {
    "lone surrogate in a name": r'{"name":"\ud800","grants":[]}',
    "lone surrogate in a key": r'{"name":"a","grants":[],"\udfff":1}',
    "null character": r'{"name":"a\u0000b","grants":[]}',
    "line in a name": r'{"name":"a\nb","grants":[]}',
    "escape in a name": r'{"name":"a\u001b[2Jb","grants":[]}',
    "right-to-left override": r'{"name":"a\u202eb","grants":[]}',
    "zero width": r'{"name":"admin\u200bistrator","grants":[]}',
    "soft hyphen": r'{"name":"admin\u00adistrator","grants":[]}',
    "byte order mark": r'{"name":"\ufeffadministrator","grants":[]}',
    "space at the end": r'{"name":"administrator ","grants":[]}',
    "no-break space": r'{"name":"\u00a0administrator","grants":[]}',
    "line separator": r'{"name":"a\u2028b","grants":[]}',
    "decomposed letter": r'{"name":"o\u0308","grants":[]}',
    "unassigned character": r'{"name":"a\u0378","grants":[]}',
    "not a number": '{"name":"a","grants":[],"isEnabled":NaN}',
    "infinity": '{"name":Infinity,"grants":[]}',
    "number of 10,000 digits": '{"name":' + "9" * 10_000 + ',"grants":[]}',
    "exponent": '{"name":1e400,"grants":[]}',
    "deep": '{"name":"a","grants":' + DEEP,
    "deep and closed": '{"name":"a","grants":' + "[" * 50_000 + "]" * 50_000 + "}",
    "wrong types": '{"name":["a"],"grants":{}}',
    "other fields": '{"name":"a","grants":[],"isAdministrator":true}',
    "prototype": '{"name":"a","grants":[],"__proto__":{"role":"administrator"}}',
    "unknown role": '{"name":"a","grants":[{"role":"root","scope":"*"}]}',
    "scope with a pattern": '{"name":"a","grants":[{"role":"viewer","scope":"cluster/*/x"}]}',
    "scope with SQL": '{"name":"a","grants":[{"role":"viewer","scope":"cluster/\' OR 1=1 --"}]}',
    "long name": json.dumps({"name": "a" * 201, "grants": []}),
    "many grants": json.dumps({"name": "a", "grants": [{"role": "viewer", "scope": "*"}] * 101}),
    "nothing": "",
    "null": "null",
    "text": '"name"',
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_invalid_documents_are_refused(attacked: Attacked, name: str) -> None:
    content = DOCUMENTS[name].encode()
    answer = attacked.administrator.post(f"{API}/users", content=content, headers=JSON)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["status"] == answer.status_code


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "name",
    ["a\0b", "'; DROP TABLE account; --", "administrator' OR '1'='1", "%", "{{7*7}}", "\u202e", "a" * 1000, "\ud800"],
)
def test_names_at_sign_in_are_only_texts(attacked: Attacked, name: str) -> None:
    with attacked.server.client() as client:
        content = json.dumps({"name": name, "password": name}).encode()
        answer = client.post(f"{API}/session", content=content, headers=JSON)
    assert answer.status_code in {401, 422}, answer.text
    assert "set-cookie" not in answer.headers


def test_second_value_of_a_key_gives_no_rights(attacked: Attacked) -> None:
    """The part that is checked and the part that is stored are the same."""
    document = encode(build_scan(0, build_subject(1, "C-0001"), source=BLOG))
    before = describe_state(attacked)
    for first, second in itertools.permutations(
        [b'{"type":"cluster","uid":"shop"}', b'{"type":"cluster","uid":"blog"}']
    ):
        content = document.replace(
            b'"source":{"type":"cluster","uid":"blog"}', b'"source":%b,"source":%b' % (first, second)
        )
        assert content != document
        post(attacked.agent, content)
    sources = attacked.administrator.get(f"{API}/sources").json()["rows"]
    shop = next(source for source in sources if source["key"] == "cluster/shop")
    assert shop == next(source for source in before[1]["rows"] if source["key"] == "cluster/shop")


TEXTS: Final = (
    "'; DROP TABLE finding; --", '" OR 1=1 --', "1) UNION SELECT * FROM api_token --", "%", "_", "\\", "{{7*7}}", "${7*7}", "<%= 7*7 %>",
    "<script>alert(1)</script>", "a\0b", "\u202e", "\ufffd", "x" * 1024, "../../etc/passwd", "=cmd|'/c calc'!A1", "\r\nSet-Cookie: a=b",
)  # fmt: skip
QUERIES: Final = (
    "findings?namespace=", "findings?kind=", "findings?name=", "findings?definition=", "findings?definitionKind=", "findings?text=",
    "vulnerabilities?text=", "packages?text=", "sources?text=", "search?text=xx", "packages/workloads?purl=", "fixes?cursor=",
    "packages/versions?type=deb&name=", "packages/versions?name=x&type=", "packages/versions?type=deb&name=debian/openssl&below=",
    "vulnerabilities/", "images/", "sources/1/scans/", "sources/1/subjects/",
)  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", QUERIES)
def test_texts_of_requests_are_only_values(attacked: Attacked, path: str) -> None:
    for text in TEXTS:
        suffix = str(httpx2.QueryParams({"": text}))[1:].replace("+", "%20")
        answer = attacked.everyone.get(httpx2.URL(attacked.server.url, raw_path=f"{API}/{path}{suffix}".encode()))
        assert answer.status_code in {200, 404, 422}, answer.text
        assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "49" not in re.sub(r'"requestId":"\w+"|\d{5,}', "", answer.text)
        assert "set-cookie" not in answer.headers


NUMBERS: Final = (
    "0",
    "-1",
    "2147483648",
    "9223372036854775808",
    "1e3",
    "1.5",
    "0x1",
    "NaN",
    "\u0661",
    "1,2",
    "",
    "1" * 5000,
    "true",
)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_out_of_range_are_refused(attacked: Attacked, number: str) -> None:
    for path in (
        "findings?limit=",
        "findings?source=",
        "totals?source=",
        "changes?days=",
        "fixes?limit=",
        "log?before=",
        "log?limit=",
    ):
        name = path.rpartition("?")[2].rstrip("=")
        answer = attacked.administrator.get(f"{API}/{path.partition('?')[0]}", params={name: number})
        assert answer.status_code in ({200, 422} if number == "0" else {422}), (path, answer.text)
    for path in ("sources", "users", "tokens"):
        answer = attacked.administrator.request(
            "DELETE", f"{API}/{path}/{httpx2.QueryParams({'': number})!s}".replace("/=", "/")
        )
        assert answer.status_code in {404, 405, 422}, answer.text


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "-1", "1e400", "NaN", "99999999999999"]
)
def test_times_at_the_ends_of_the_calendar(attacked: Attacked, moment: str) -> None:
    for name in ("openedSince", "openedBefore"):
        assert attacked.everyone.get(f"{API}/findings", params={name: moment}).status_code in {200, 422}


def replace_text(text: str) -> Iterator[tuple[str, Submission]]:
    """Yield scans of `blog` with a text in one of their fields."""
    subject = build_subject(1, "C-0001")
    resource = subject.subject
    assert isinstance(resource, ResourceSubject)
    for field in ("api_version", "kind", "name", "namespace"):
        changed = msgspec.structs.replace(resource, **{field: text})
        yield field, build_one(msgspec.structs.replace(subject, subject=changed))
    finding = subject.findings[0]
    evidence = msgspec.structs.replace(finding.evidence[0], path=text, message=text)
    yield (
        "evidence",
        build_one(msgspec.structs.replace(subject, findings=(msgspec.structs.replace(finding, evidence=(evidence,)),))),
    )
    yield "exposure", build_one(msgspec.structs.replace(subject, exposure=text))
    yield "container", build_one(msgspec.structs.replace(subject, containers=(run(WEB, name=text, reference=text),)))
    scan = build_one(subject)
    definition = msgspec.structs.replace(scan.definitions[0], title=text, severity=text, kind=text)
    yield "definition", msgspec.structs.replace(scan, definitions=(definition, *scan.definitions[1:]))
    yield (
        "key of a definition",
        msgspec.structs.replace(
            scan, definitions=(*scan.definitions, msgspec.structs.replace(definition, key=text, id=text))
        ),
    )
    yield "id", msgspec.structs.replace(scan, id=text)
    yield "name of the source", msgspec.structs.replace(scan, source=SourceCluster("blog", text))
    yield "version", msgspec.structs.replace(scan, versions=msgspec.structs.replace(scan.versions, kubekeep=text))
    image = msgspec.structs.replace(build_web(), references=(text,), platform=text)
    yield "image", msgspec.structs.replace(build_one(subject, build_image(WEB, "CVE-1")), images=(image,))
    packages = build_content("1.0", name=text)
    yield (
        "package",
        msgspec.structs.replace(
            build_one(subject, build_image(WEB, "CVE-1")), images=(msgspec.structs.replace(image, content=packages),)
        ),
    )


_days: Final = itertools.count(3)


def build_one(*entries: SubjectEntry) -> Submission:
    return build_scan(next(_days) % 300, *entries, source=BLOG)


SCRIPT: Final = "<img src=x onerror=alert(1)>{{7*7}}'; DROP TABLE finding; --\u202e"


@pytest.mark.parametrize(
    "text",
    [SCRIPT, "a\0b", LONG, '=HYPERLINK("http://evil.example")', "", "\u2028\n"],
    ids=["script", "null", "long", "formula", "empty", "lines"],
)
def test_texts_of_submissions_are_only_texts(attacked: Attacked, text: str) -> None:
    before = describe_state(attacked)
    for field, scan in replace_text(text):
        answer = post(attacked.agent, encode(scan))
        assert answer.status_code in {200, 201, 422}, (field, answer.text)
        for path in ("sources", "findings", "vulnerabilities", "packages", "search?text=img", "totals", "fixes"):
            shown = attacked.outsider.get(f"{API}/{path}")
            assert shown.status_code == 200, (field, path, shown.text)
            assert shown.headers["content-type"] == "application/json"
            assert shown.headers["x-content-type-options"] == "nosniff"
    shop = attacked.everyone.get(f"{API}/sources/{attacked.shop}").json()
    assert shop == next(row for row in before[1]["rows"] if row["key"] == "cluster/shop")
    assert post(attacked.agent, encode(build_one(build_subject(1, "C-0001")))).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"finished": "9999-12-31T23:59:59Z"},
        {"started": "0001-01-01T00:00:00+23:59"},
        {"finished": "0001-01-01T00:00:00+23:59"},
        {"manifest": "f" * 33},
        {"manifest": ""},
        {"base": "x"},
        {"schema": "kubekeep.io/submission/v999"},
        {"definitions": []},
        {"subjects": [{"key": "0" * 16}]},
        {"subjects": [{"key": "zz"}]},
        {"scope": {"definitions": ["C-0001"] * 100_000}},
        {"gaps": [{}]},
    ],
    ids=lambda change: repr(change)[:40],
)
@pytest.mark.usefixtures("unchanged")
def test_wrong_values_are_refused(attacked: Attacked, change: dict[str, Any]) -> None:
    document = json.loads(encode(build_one(build_subject(1, "C-0001"))))
    answer = post(attacked.agent, json.dumps({**document, "manifest": "0" * 32, **change}).encode())
    assert answer.status_code in {400, 409, 422}, answer.text


def build_zstd_window() -> bytes:
    """Return a frame that asks for a window of 2 GiB (RFC 8878, section 3.1.1.1.2)."""
    return struct.pack("<IBB", 0xFD2FB528, 0, (31 - 10) << 3) + b"\x01\x00\x00"


BODIES: Final[dict[str, tuple[bytes, list[tuple[str, str]]]]] = {
    "gzip in zstd": (zstd.compress(gzip.compress(b" " * 10_000_000, mtime=0)), [("Content-Encoding", "gzip, zstd")]),
    "two encodings": (
        zstd.compress(gzip.compress(b"{}", mtime=0)),
        [("Content-Encoding", "gzip"), ("Content-Encoding", "zstd")],
    ),
    "the same encoding twice": (
        gzip.compress(gzip.compress(b"{}")),
        [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")],
    ),
    "members of gzip": (gzip.compress(b"{}", mtime=0) * 10_000, [("Content-Encoding", "gzip")]),
    "frames of zstd": (zstd.compress(b"{}") * 10_000, [("Content-Encoding", "zstd")]),
    "skippable frame": (
        struct.pack("<II", 0x184D2A50, 8) + b"any text" + zstd.compress(b"{}"),
        [("Content-Encoding", "zstd")],
    ),
    "window of 2 GiB": (build_zstd_window(), [("Content-Encoding", "zstd")]),
    "dictionary": (
        zstd.compress(b"{}" * 100, zstd_dict=zstd.ZstdDict(b"{}" * 100, is_raw=True)),
        [("Content-Encoding", "zstd")],
    ),
    "bomb": (zstd.compress(b" " * 600_000_000), [("Content-Encoding", "zstd")]),
    "bomb of gzip": (gzip.compress(b" " * 300_000_000, mtime=0), [("Content-Encoding", "gzip")]),
    "large array": (zstd.compress(b"[" + b"0," * 20_000_000), [("Content-Encoding", "zstd")]),
    "encoding with a parameter": (b"{}", [("Content-Encoding", "identity;q=1")]),
    "two types": (b"{}", [("Content-Type", "text/plain"), ("Content-Type", "application/json")]),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", BODIES)
def test_hostile_bodies_are_refused(attacked: Attacked, name: str) -> None:
    content, headers = BODIES[name]
    types = [] if any(key == "Content-Type" for key, _ in headers) else list(JSON.items())
    before = read_memory(attacked.server)
    answer = attacked.agent.post(SCANS, content=content, headers=[*types, *headers])
    assert answer.status_code in {400, 413, 415, 422}, answer.text
    assert read_memory(attacked.server) - before < 700 * MEBIBYTE
