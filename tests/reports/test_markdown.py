"""The Markdown report: fits a comment, states omissions, and contains no markup, link or mention from the input."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.oracles.references import get_answer

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.markdown.text import cell, code, html_code, linked, prose, words

GITHUB_COMMENT = 65_536
"""Maximum characters of a comment on GitHub."""
HOSTILE = (
    "<script>alert(1)</script>",
    "</code></summary></details><img src=x onerror=alert(1)>",
    "<!-- -->",
    "&lt;b&gt; &#60;",
    "[x](javascript:alert(1))",
    "![x](http://e.example/x.png)",
    "[x]: http://e.example",
    "<http://e.example>",
    "http://e.example https://e.example www.e.example ftp://e.example",
    "bob@e.example",
    "mailto:bob@e.example xmpp:bob@e.example",
    "@org/team @bob",
    "#1 !1 GH-1 org/repo#1 &1 $1 ~bug %1.0 ABC-123",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ":smile:",
    "a | b |",
    "\\| \\\\| \\",
    "`",
    "` `` ``` `",
    "```",
    "``` \n# x",
    "\\`",
    "**a** _a_ ~~a~~ $$a$$",
    "# a",
    "- a",
    "+ a",
    "1. a",
    "1) a",
    "> a",
    "- [ ] a",
    "| --- | --- |",
    "---",
    "===",
    "    a",
    "a  \nb",
    "a\\\nb",
    "\n\n<div>\n\n# x\n",
    "[^1]",
    "{{ a }} {% a %} ${a}",
    "",
    " ",
    "`" * 400,
    "<" * 1_000_000,
)


class Reader(HTMLParser):
    """Browser view of HTML: tags in order, link targets, and text outside of code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self._code = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._code += tag == "code"
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        assert {name for name, _ in attrs} <= {"href", "align", "style"}

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.texts.append(data)


def text(assessment: Assessment, options: ReportOptions | None = None) -> str:
    stream = io.StringIO()
    load("markdown").render(assessment, stream, options or ReportOptions())
    return stream.getvalue()


def read(markdown: str) -> Reader:
    """Parse with CommonMark and tables."""
    return Reader(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))


def read_by_go(*texts: str) -> list[Reader]:
    """Parse with GitHub's Markdown and all its extensions."""
    request = json.dumps([{"format": "markdown", "text": text} for text in texts])
    return [Reader(answer["html"]) for answer in json.loads(get_answer("reports", stdin=request).stdout)]


def taint_names(assessment: Assessment, hostile: str) -> Assessment:
    """Return the assessment with `hostile` in every untrusted text."""
    resource = Resource({"kind": hostile, "metadata": {"name": hostile, "namespace": hostile}})
    evidence = (
        Evidence(hostile, exists=True, fix=json.dumps(hostile), message=hostile),
        Evidence(hostile, exists=True, delete=True),
    )
    first, *others = assessment.frameworks
    framework = msgspec.structs.replace(first, framework=msgspec.structs.replace(first.framework, name=hostile))
    controls = tuple(
        msgspec.structs.replace(
            summary,
            definition=msgspec.structs.replace(
                summary.definition, title=hostile, ids=(hostile,), fix=f"{hostile} is {hostile}", references=()
            ),
            reason=summary.reason and msgspec.structs.replace(summary.reason, text=hostile),
        )
        for summary in assessment.summaries
    )
    return msgspec.structs.replace(
        assessment,
        results=(SubjectResult(resource, {"privileged": Verdict(Status.FAILED, evidence)}),),
        summaries=controls,
        frameworks=(framework, *others),
        notes=(hostile,),
        unread=tuple(msgspec.structs.replace(unread, message=hostile) for unread in assessment.unread),
    )


def assert_harmless(reader: Reader, tags: list[str]) -> None:
    """Check that the report has only its usual tags, and no text outside of code that a forge interprets."""
    code_apart = [[tag for tag in code_part if tag not in {"code", "/code"}] for code_part in (reader.tags, tags)]
    assert code_apart[0] == code_apart[1]
    assert not reader.links
    plain = "\n".join(reader.texts)
    assert not re.search(r"(?<!\w)@\w|[#!&$~]\w|%\w|GH-\d|[0-9a-f]{7}|\w://|www\.|:\w+:|[\[\]<>`|*\\]|\b_|_\b", plain)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: ascii(text[:24]))
def test_hostile_text_is_no_markup(hostile: str, assessment: Assessment) -> None:
    tame = read(text(taint_names(assessment, "a_b")))
    assert_harmless(read(text(taint_names(assessment, hostile))), tame.tags)


def test_hostile_text_is_no_markup_for_github(assessment: Assessment) -> None:
    tame, *readers = read_by_go(*(text(taint_names(assessment, hostile)) for hostile in ("a_b", *HOSTILE)))
    for reader in readers:
        assert_harmless(reader, tame.tags)


def test_any_text_is_no_markup(assessment: Assessment) -> None:
    tame = read(text(taint_names(assessment, "a_b")))

    @settings(deadline=None, max_examples=60, database=None)
    @given(st.text(st.characters() | st.sampled_from("`|<>&@#[]()!*_\\~$%:-. \n\t"), max_size=40))
    def check_harmless(hostile: str) -> None:
        reader = read(text(taint_names(assessment, f"_{hostile}")))
        assert_harmless(reader, tame.tags)

    check_harmless()


@pytest.mark.parametrize(
    "plain",
    [
        "Privileged container",
        "Images, signed (by whom?)"[:15],
        "数据库 is used",
        'a: b; c\'s "d" - e/f',
        "7 days",
        "drop NET_RAW",
    ],
)
def test_plain_words_are_unchanged(plain: str) -> None:
    assert words(plain) == plain
    assert cell(plain) == plain


def test_code_reads_back() -> None:
    for plain in ("a`b", "``", "`a", " a ", "a|b", "\\"):
        (line,) = MarkdownIt("commonmark").parseInline(code(plain))
        assert [(span.type, span.content) for span in line.children or ()] == [("code_inline", plain)]
        assert "".join(Piece(html_code(plain)).texts) == plain


class Piece(HTMLParser):
    """Text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_remediation_keeps_its_code() -> None:
    assert prose("Set `a.b` to `true`,\nor  remove it (see `c`).") == "Set `a.b` to `true`, or remove it (see `c`)."
    assert prose("odd ` backticks") == "odd backticks"
    assert prose("`<b>` and <b>") == "`<b>``  and <b> `"


def test_only_plain_urls_are_links() -> None:
    assert linked("a", "https://e.example/a-b?c=d#e") == "[a](https://e.example/a-b?c=d#e)"
    for url in ("http://e.example", "javascript:alert(1)", "https://e.example/)(", "https://e.example/ x", "//e", ""):
        assert linked("a", url) == "a"


def test_report_text(assessment: Assessment) -> None:
    report_text = text(assessment)
    assert report_text.startswith("## Kubekeep: 5 controls failed\n")
    assert "❌ **12 resources failed**: 13 findings by priority: 1 critical, 10 high, 1 medium, 1 low" in report_text
    assert "❌ **Input was not read in 2 locations**: the scan is incomplete" in report_text
    assert "⚠️ **3 controls were not evaluated**" in report_text
    assert "| nsa | 66 % | 75 % | 2 | 1 | 1 | 1 |" in report_text
    assert "`C-0069`, `C-0070`: It reads files of the nodes: scan with a host agent." in report_text
    assert (
        "`deploy/web-1.yaml:21`: set `spec.template.spec.containers[0].securityContext.privileged` to `false`"
        in report_text
    )
    assert "not shown" not in report_text


def test_nothing_failed(assessment: Assessment) -> None:
    passed = tuple(summary for summary in assessment.summaries if summary.status is Status.PASSED)
    clean_assessment = msgspec.structs.replace(
        assessment, summaries=passed, results=assessment.results[2:3], frameworks=(), unread=(), notes=()
    )
    report_text = text(clean_assessment)
    assert report_text.startswith("## Kubekeep: no control failed\n\n- ✅ **No control failed**\n")
    assert "<details>" not in report_text
    assert text(msgspec.structs.replace(clean_assessment, unread=assessment.unread)).startswith(
        "## Kubekeep: the scan is incomplete\n"
    )


def test_unevaluated_controls_are_no_success(assessment: Assessment) -> None:
    (gap,) = (summary for summary in assessment.summaries if summary.definition.slug == "registries")
    unevaluated = msgspec.structs.replace(assessment, summaries=(gap,), results=(), frameworks=(), unread=(), notes=())
    report_text = text(unevaluated)
    assert report_text.startswith(
        "## Kubekeep: no control was evaluated\n\n"
        "- ⚠️ **1 control was not evaluated** and counts neither as passed nor as failed\n"
    )
    assert text(msgspec.structs.replace(unevaluated, summaries=())).startswith("## Kubekeep: no resources found\n")


def test_excepted_findings(assessment: Assessment) -> None:
    exception = AppliedException(
        name="legacy",
        source=ExceptionSource.FILE,
        reason="moves in June",
        expires=dt.datetime(2027, 6, 30, tzinfo=dt.UTC),
    )
    verdict = Verdict(Status.PASSED, (Evidence("spec.a", exists=True, exception=exception),))
    result = SubjectResult(assessment.results[2].subject, {"privileged": verdict})
    report_text = text(msgspec.structs.replace(assessment, results=(result,)))
    assert "1 finding covered by exceptions" in report_text
    assert (
        "- `C-0057` `Deployment default/web-0`: covered by exception legacy: moves in June (until 2027-06-30)\n"
        in report_text
    )
    assert "spec.a" not in report_text


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("times", [30, 300])
def test_report_fits_a_comment_and_counts_omissions(times: int, assessment: Assessment, *, verbose: bool) -> None:
    many = msgspec.structs.replace(assessment, results=assessment.results * times, unread=assessment.unread * times)
    report_text = text(many, ReportOptions(verbose=verbose))
    assert len(report_text) <= GITHUB_COMMENT - 5_000
    match = re.search(r"\*\*([\d,]+) findings not shown\*\*", report_text)
    assert match is not None
    findings = sum(len(failures) for failures in many.group_findings().values())
    shown = len(re.findall(r"^- `(?!charts|\\x1b)(?=\w+ \S+/\S+|Pod)", report_text, re.MULTILINE))
    assert int(match[1].replace(",", "")) == findings - shown
    assert read(report_text).tags.count("details") == read(report_text).tags.count("/details")


def test_hostile_report_fits_a_comment(assessment: Assessment) -> None:
    hostile = taint_names(assessment, "@" * 1000)
    many = msgspec.structs.replace(
        hostile, results=hostile.results * 500, frameworks=hostile.frameworks * 200, notes=hostile.notes * 500
    )
    assert len(text(many, ReportOptions(verbose=True))) <= GITHUB_COMMENT - 5_000
