"""The place to edit for a value: in the file itself, in values of a chart, in a base or a patch."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.fixes.edits.change import Change, EditRefusedError
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.target import EditTarget, find_target
from kubekeep.fixes.edits.text import edit
from kubekeep.model.location import Location, Path, Position, Region, Setting, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.source import FileType, RenderOrigin, Source
from kubekeep.sources.helm.names import HELM
from kubekeep.sources.inputs import read
from kubekeep.sources.kustomize.names import KUSTOMIZE
from kubekeep.sources.terraform.read import TERRAFORM

VALUES = """\
image:
  repository: k8s.gcr.io/app
  tag: "1.0"
podSecurityContext: {}  # of the pod
securityContext:
  privileged: true
sub:
  securityContext:
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  template:
    spec:
      containers:
        - name: web
          securityContext:
            privileged: true
"""
OPERATIONS = "- op: replace\n  path: /spec/hostNetwork\n  value: true\n"
FILES = {"values.yaml": VALUES, "patch.yaml": PATCH, "operations.yaml": OPERATIONS}


def place(file: str, text: str, nth: int = 0) -> Location:
    """Return the location of a text in a file."""
    lines = FILES[file].splitlines()
    number = [index for index, line in enumerate(lines) if text in line][nth]
    start = Position(number + 1, lines[number].index(text) + 1)
    return Location(file, Region(start, Position(start.line, start.column + len(text))))


class FixedLocation:
    """A source map with a single location."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def locate(self, document: Any, path: Path) -> Location:  # noqa: ARG002 - the signature of a source map
        return self.location


def create_generated(kind: FileType, location: Location, spec: dict[str, Any]) -> Resource:
    """Return an object that was rendered or built."""
    source = Source("made", "/", kind, 0, origin=RenderOrigin("folder"), lazy_source_map=FixedLocation(location))
    return Resource({"apiVersion": "v1", "kind": "Pod", "spec": spec}, source)


def locate_in_template(key: str, text: str, nth: int = 0) -> Location:
    """Return a location in a template that takes over a value."""
    setting = place("values.yaml", text, nth)
    return Location("templates/pod.yaml", None, Setting(key, setting.file, setting.region))


def parse_file(name: str) -> ParsedText:
    return ParsedText(FILES[name])


@pytest.mark.parametrize(
    ("key", "text", "nth", "path", "target"),
    [
        ("securityContext.privileged", "privileged: true", 0, "spec.c.privileged", "securityContext.privileged"),
        ("podSecurityContext", "podSecurityContext", 0, "spec.empty.runAsNonRoot", "podSecurityContext.runAsNonRoot"),
        ("securityContext", "securityContext", 0, "spec.c.capabilities.drop", "securityContext.capabilities.drop"),
        # The key as a subchart sees it; its region is in the values file.
        ("securityContext", "securityContext", 1, "spec.empty.runAsUser", "sub.securityContext.runAsUser"),
    ],
)
def test_target_in_chart_values(key: str, text: str, nth: int, path: str, target: str) -> None:
    spec = {"c": {"privileged": True}, "empty": {}}
    resource = create_generated(HELM, locate_in_template(key, text, nth), spec)
    setting_target = find_target(resource, parse_path(path), parse_file)
    assert setting_target == EditTarget("values.yaml", 0, parse_path(target))
    assert edit(parse_file("values.yaml"), [Change(0, setting_target.path, 1)]).refused == {}


def test_target_in_a_patch_or_base() -> None:
    container = {"securityContext": {"privileged": True}}
    spec = {"template": {"spec": {"containers": [{}, container]}}}
    existing = create_generated(KUSTOMIZE, place("patch.yaml", "privileged: true"), spec)
    path = parse_path("spec.template.spec.containers[1].securityContext.privileged")
    assert find_target(existing, path, parse_file).path == parse_path(
        "spec.template.spec.containers[0].securityContext.privileged"
    )
    missing = create_generated(KUSTOMIZE, place("patch.yaml", "securityContext"), spec)
    path = parse_path("spec.template.spec.containers[1].securityContext.runAsNonRoot")
    assert find_target(missing, path, parse_file).path == parse_path(
        "spec.template.spec.containers[0].securityContext.runAsNonRoot"
    )
    whole = create_generated(KUSTOMIZE, place("patch.yaml", "name: web"), spec)
    path = parse_path("spec.template.spec.containers[0].securityContext.runAsNonRoot")
    assert find_target(whole, path, parse_file).path == parse_path(
        "spec.template.spec.containers[0].securityContext.runAsNonRoot"
    )


def test_target_in_a_json_patch() -> None:
    resource = create_generated(KUSTOMIZE, place("operations.yaml", "value: true"), {"hostNetwork": True})
    assert find_target(resource, ("spec", "hostNetwork"), parse_file) == EditTarget("operations.yaml", 0, (0, "value"))


@pytest.mark.parametrize(
    ("kind", "location", "reason"),
    [
        (
            HELM,
            Location("templates/a.yaml", place("values.yaml", "tag").region),
            "a template sets it: templates",
        ),
        (HELM, Location("t.yaml", None, Setting("c", "--set")), "it is set on the command line: --set c"),
        (HELM, locate_in_template("image.tag", "tag:"), "a template computes it from values.yaml:3 image.tag"),
        (HELM, locate_in_template("image.other", "tag:"), "values.yaml:3 image.other was not found in the file"),
        (TERRAFORM, Location("main.tf"), "a template sets it: main.tf"),
        (
            KUSTOMIZE,
            Location("a/kustomization.yaml"),
            "the kustomization itself sets it: a/kustomization.yaml",
        ),
        (KUSTOMIZE, Location("patch.yaml"), "its line in patch.yaml is unknown"),
        (KUSTOMIZE, place("patch.yaml", "kind:"), "which contains another value"),
    ],
)
def test_values_without_a_target_are_refused(kind: FileType, location: Location, reason: str) -> None:
    resource = create_generated(kind, location, {"tag": "made:1.0"})
    with pytest.raises(EditRefusedError, match=reason):
        find_target(resource, ("spec", "tag"), parse_file)


def test_target_of_an_item_of_a_list(tmp_path: Any) -> None:
    file = tmp_path / "list.yaml"
    file.write_text(
        "a: 1\n---\nkind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
    )
    (pod,) = [resource for resource in read([str(file)]) if isinstance(resource, Resource)]
    target = find_target(pod, ("spec", "hostPID"), lambda _: ParsedText(file.read_text()))
    assert target == EditTarget(str(file), 1, ("items", 0, "spec", "hostPID"))
    with pytest.raises(EditRefusedError, match="has changed since it was scanned"):
        find_target(pod, ("spec",), lambda _: ParsedText(file.read_text().replace("name: a", "name: b")))
