"""Attack paths as picture, graph and document: complete, valid, and safe with hostile names."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from playwright.sync_api import FloatRect
from tests.reports.browsers import chromium, needs_chromium
from tests.reports.conftest import CONTROLS, HOSTILE

from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import (
    AttackNode,
    AttackNodeKind,
    AttackPath,
    Attacks,
    Cut,
    Edge,
    EdgeKind,
    Opening,
    PrioritisedResource,
    PriorityVector,
    TrackStep,
)
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.pretty.attacks import write_attacks
from kubekeep.reports.shared.attack_documents import attack_document, attack_dot
from kubekeep.reports.shared.attack_svg import DRAWN, attack_svg, layout

SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = Path(__file__).parent / "golden"


def edge(source: AttackNode, target: AttackNode, text: str = "it is open", assumes: str = "") -> Edge:
    at = Location("deploy/web.yaml", Region(Position(7, 3), Position(7, 9)))
    opening = Opening(text, source.label, at, (CONTROLS["privileged"], CONTROLS["limits"]), assumes)
    return Edge(source, target, EdgeKind.ESCAPE, (opening,))


def attacks(text: str = "web", assumes: str = "") -> Attacks:
    internet = AttackNode("internet", AttackNodeKind.INTERNET, "internet")
    workload = AttackNode("w", AttackNodeKind.WORKLOAD, f"Deployment {text}", Location(text))
    host = AttackNode("h", AttackNodeKind.HOST, "a node of the cluster")
    admin = AttackNode("a", AttackNodeKind.CLUSTER_ADMIN, "cluster-admin")
    first, second, third = edge(internet, workload, text), edge(workload, host, text, assumes), edge(host, admin)
    paths = (
        AttackPath((first, second, third), Severity.CRITICAL),
        AttackPath((edge(workload, admin),), Severity.HIGH),
    )
    return Attacks(paths=paths, unlisted_path_count=3, cuts=(Cut(second, (0,), 2),), notes=(text,))


def render_pretty(assessment: Assessment, attacks: Attacks, **options: Any) -> str:
    stream = io.StringIO()
    write_attacks(assessment, attacks, stream, ReportOptions(**options))
    return stream.getvalue()


def test_picture_contains_every_node_and_edge() -> None:
    root = etree.fromstring(attack_svg(attacks(assumes="the moon is full")).encode())
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    assert titles[0] == "2 attack paths of 5"
    assert [title.partition("\n")[0] for title in titles[-4:]] == [
        "internet",
        "Deployment web",
        "a node of the cluster",
        "cluster-admin",
    ]
    arrows = [element for element in root.iter(f"{SVG}path") if element.get("fill") == "none"]
    assert len(arrows) == 4
    assert sum(element.get("stroke-dasharray") is not None for element in arrows) == 1
    assert any("provided that the moon is full (deploy/web.yaml:7) [C-0057, C-0271]" in title for title in titles)


def test_picture_has_no_external_references() -> None:
    text = attack_svg(attacks(HOSTILE))
    root = etree.fromstring(text.encode())
    tags = {str(element.tag).removeprefix(SVG) for element in root.iter()}
    assert tags == {"svg", "title", "desc", "g", "rect", "text", "path"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name in {"style", "href", "class"} or str(name).startswith("on")}
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", re.sub(r">[^<]*<", "><", text))


def test_picture_without_paths_says_so() -> None:
    root = etree.fromstring(attack_svg(Attacks()).encode())
    assert "No attack path was found" in str(root.xpath("string()"))


def test_picture_is_bounded() -> None:
    many = msgspec.structs.replace(
        attacks(),
        paths=tuple(
            AttackPath(
                (
                    edge(
                        AttackNode(f"s{number}", AttackNodeKind.SUBJECT, f"User {number}"),
                        AttackNode("a", AttackNodeKind.HOST, "node"),
                    ),
                ),
                Severity.HIGH,
            )
            for number in range(100)
        ),
    )
    text = attack_svg(many)
    assert text.count("<rect") == DRAWN + 1
    assert f"{DRAWN} attack paths of 103" in text


@settings(deadline=None, max_examples=60, database=None)
@example(text='"\\</title>]]>&#0;\x1b\r\n\t\ud83d', more="a")
@given(text=st.text(st.characters()), more=st.text(st.characters(), max_size=80))
def test_hostile_names_keep_picture_and_graph_valid(text: str, more: str) -> None:
    attack_paths = attacks(text, more)
    root = etree.fromstring(attack_svg(attack_paths).encode())
    assert sum(1 for _ in root.iter(f"{SVG}rect")) == 4
    assert _dot_strings(attack_dot(attack_paths)) > 0


def _dot_strings(text: str) -> int:
    """Return the number of lines of DOT; raises an error for a line that Kubekeep does not write."""
    quoted = r'"(?:[^"\\\n]|\\.)*"'
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("digraph attack_paths {", "}")
    node, arrow = rf"  n\d+ \[label={quoted}\];", rf"  n\d+ -> n\d+ \[label={quoted}(?:, style=dashed)?\];"
    declaration = rf"  rankdir=LR;|  (?:node|edge) \[(?:[a-z]+=(?:{quoted}|\w+)(?:, )?)+\];"
    for line in lines[1:-1]:
        assert re.fullmatch(f"{node}|{arrow}|{declaration}", line), line
    return len(lines)


def test_document_is_complete(assessment: Assessment) -> None:
    document = json.loads(json_text(attack_document(assessment, attacks(HOSTILE, "x"))))
    ids = {node["id"] for node in document["nodes"]}
    steps = {(step["from"], step["to"]) for step in document["edges"]}
    for path in document["paths"]:
        assert set(path["nodes"]) <= ids
        assert set(itertools.pairwise(path["nodes"])) <= steps
    assert document["pathsLeftOut"] == 3
    assert document["cuts"] == [{"from": "w", "to": "h", "paths": [0], "count": 3, "detours": 0}]
    assert document["paths"][0]["assumptions"] == ["x"]
    assert document["edges"][0]["openings"][0]["location"] == {"file": "deploy/web.yaml", "line": 7, "column": 3}
    assert len(document["unread"]) == len(assessment.unread)


def test_pretty_shows_chains(assessment: Assessment, request: pytest.FixtureRequest) -> None:
    text = render_pretty(assessment, attacks(HOSTILE, "the moon is full"))
    assert "\x1b" not in text
    file = GOLDEN / "attacks.txt"
    if request.config.getoption("--update-golden"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_pretty_without_paths(assessment: Assessment) -> None:
    notes = ("the input contains no bindings",)
    assert "No attack path was found from outside." in render_pretty(assessment, Attacks(notes=notes))
    assert "No attack path was found." in render_pretty(assessment, Attacks(notes=notes, is_from_outside=False))
    text = render_pretty(assessment, Attacks(escaping=("shop/pod/a", "shop/pod/b")))
    assert "2 workloads do not isolate their processes from the node: `--from shop/pod/a` shows the paths" in text


def test_json_ranks_resources_like_kubescape(assessment: Assessment) -> None:
    resource = assessment.results[2].subject
    assert isinstance(resource, Resource)
    step = TrackStep(CONTROLS["privileged"], "Initial Access", ("security",))
    vector = PriorityVector("service-destruction", (step,), 8.8, Severity.HIGH)
    attack_paths = Attacks(prioritised=(PrioritisedResource(resource, (vector,), 8.8, Severity.HIGH),))
    stream = io.StringIO()
    load("json").render(msgspec.structs.replace(assessment, attacks=attack_paths), stream, ReportOptions())
    ranked = [result for result in json.loads(stream.getvalue())["results"] if "prioritizedResource" in result]
    assert [result["prioritizedResource"] for result in ranked] == [
        {
            "resourceID": resource.id,
            "priorityVector": [
                {
                    "attackTrackName": "service-destruction",
                    "type": "control",
                    "vector": [{"controlID": "C-0057", "category": "Initial Access", "tags": ["security"]}],
                    "score": 8.8,
                    "severity": 3,
                }
            ],
            "score": 8.8,
            "severity": 3,
        }
    ]


def test_layout_with_cycles_leads_to_the_right() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("d", "d"), ("a", "c")]
    graph = layout(edges)
    assert {name: position[0] for name, position in graph.positions.items()} == {"a": 0, "b": 1, "c": 2, "d": 1}
    assert graph.bends["a", "c"][0][0] == 1
    assert len({*graph.positions.values()}) == 4
    assert layout([]).columns == 0


def test_layout_avoids_crossings() -> None:
    graph = layout([("i", "a"), ("i", "b"), ("a", "y"), ("b", "x"), ("i", "x")])
    rows = {name: row for name, (_, row) in graph.positions.items()}
    assert (rows["a"] < rows["b"]) == (rows["y"] < rows["x"])


@needs_chromium
def test_picture_renders_under_strict_policy() -> None:
    problems: list[str] = []
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    with chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: problems.append(request.url))
        page.set_content(f"<!doctype html>{policy}<body>{attack_svg(attacks(HOSTILE))}</body>")
        boxes = page.locator("svg rect").all()
        sizes = [box.bounding_box() for box in boxes]
        letters = [text.bounding_box() for text in page.locator("svg g:has(rect) text").all()]
    assert not problems
    assert len(sizes) == 4
    assert all(size and size["width"] == 188 for size in sizes)
    assert all(text and any(_contains(size, text) for size in sizes if size) for text in letters)


def _contains(box: FloatRect, text: FloatRect) -> bool:
    return (
        box["x"] <= text["x"]
        and text["x"] + text["width"] <= box["x"] + box["width"]
        and box["y"] <= text["y"]
        and text["y"] + text["height"] <= box["y"] + box["height"]
    )
