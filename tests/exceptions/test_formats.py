"""Exceptions in files and custom resources: accepted and refused values with locations, and the built-in sets."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.exceptions.kubescape_format import parse_exception
from kubekeep.exceptions.lint import covers_everything, find_likely_mistakes, matches_everything
from kubekeep.exceptions.load import ExceptionsError, read_exceptions, read_set
from kubekeep.exceptions.match import ControlMatcher
from kubekeep.exceptions.policy_exception import Patterns, PolicyException, escape_pattern, matches, parse_expiry
from kubekeep.exceptions.sets import list_sets, read_set_title
from kubekeep.model.location import Location
from kubekeep.posture.select import find_frameworks, select

ONE = {"name": "one", "posturePolicies": [{"controlID": "C-0057"}]}


def written(folder: Path, value: Any, name: str = "exceptions.json") -> str:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", dt.datetime(2027, 1, 31, 23, 59, 59, tzinfo=dt.UTC)),
        ("2027-01-31T12:00:00Z", dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)),
        ("2027-01-31T12:00:00+02:00", dt.datetime(2027, 1, 31, 10, tzinfo=dt.UTC)),
        ("2027-01-31T20:00:00.5-05:30", dt.datetime(2027, 2, 1, 1, 30, 0, 500_000, tzinfo=dt.UTC)),
        ("2027-01-31t12:00:00z", dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)),
        ("2027-01-31 12:00:00Z", dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)),
    ],
)
def test_expiry_is_a_time_or_the_end_of_a_day(text: str, moment: dt.datetime) -> None:
    assert parse_expiry(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2027-13-01", "2027-02-30", "2027-1-5", "2027-01-31T12:00:00", "31.01.2027", "01/02/2026"),
        *("9999-99-99", "1893456000", "20270131", "2027-W05-1", " 2027-01-31", "2027-01-31T12:00Z"),
    ],
)
def test_invalid_expiry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a date"):
        parse_expiry(text)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("web", "web", True),
        ("web", "web-1", False),
        ("web", "Web", False),
        ("a|b", "a", True),
        ("a|b", "ab", False),
        ("a|ab", "ab", True),
        ("*", "anything\nat all", True),
        ("web-[0-9]+", "web-12", True),
        (r"a)|(b", "b", None),
    ],
)
def test_pattern_matches_the_whole_value(pattern: str, value: str, expected: bool | None) -> None:  # noqa: FBT001
    if expected is None:
        with pytest.raises(ValueError, match="is not a regular expression"):
            matches(pattern, value)
    else:
        assert matches(pattern, value) is expected


@given(st.text())
@settings(derandomize=True, deadline=None, database=None)
def test_escaped_pattern_matches_its_text(text: str) -> None:
    assert matches(escape_pattern(text), text)
    assert Patterns([escape_pattern(text), "zzz"]).find_matching(text)


WORDS = st.text("ab-.*|[]+?", max_size=6)


@given(st.lists(WORDS), WORDS)
@settings(derandomize=True, deadline=None, database=None)
def test_pattern_set_matches_like_single_patterns(patterns: list[str], value: str) -> None:
    usable = []
    for pattern in patterns:
        try:
            matches(pattern, "")
        except ValueError:
            continue
        usable.append(pattern)
    matched = Patterns(usable).find_matching(value)
    assert set(matched) == {pattern for pattern in usable if matches(pattern, value)}
    assert len(matched) == len(set(matched))


WHOLE = ["*", ".*", ".+", "^.*$", "[^ ]*", "(?i).*", ".*.*", "(?s).*", "(.*)", r"[\s\S]*", r"\S+", ".{1,253}", "(a|.)*"]


@pytest.mark.parametrize("pattern", WHOLE)
@pytest.mark.parametrize("key", ["kind", "name", "namespace", "path", "resourceID", "containerName"])
def test_pattern_matches_everything(key: str, pattern: str) -> None:
    assert matches_everything(key, pattern)


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("kind", "[A-Z][a-z].*"),
        ("kind", "[A-Za-z]+"),
        ("kind", "[[:alpha:]]*"),
        ("name", "[a-z0-9-]+"),
        ("name", "[a-z]([-a-z0-9]*[a-z0-9])?"),
        ("namespace", r"[a-z][\w-]*"),
        ("path", "/.*"),
        ("path", ".*/.*"),
        ("path", "./.*"),
        ("resourceID", ".*/.*/.*"),
        ("cluster", "(production)?"),
        ("cluster", "a*"),
    ],
)
def test_pattern_for_ordinary_names_matches_everything(key: str, pattern: str) -> None:
    assert matches_everything(key, pattern)


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("kind", "Pod"),
        ("kind", ".*Set|Deployment|Pod"),
        ("kind", "[^P].*"),
        ("name", "web-.*"),
        ("name", ".*-.*"),
        ("namespace", "kube-.*"),
        ("namespace", "[^k].*"),
        ("path", ".*/a/.*"),
        ("path", r".*\.ya?ml"),
        ("path", "deploy/.*"),
        ("cluster", "production"),
        ("team", ".*"),
    ],
)
def test_pattern_does_not_match_everything(key: str, pattern: str) -> None:
    assert not matches_everything(key, pattern)


def entry(*resources: dict[str, str], **more: Any) -> PolicyException:
    return parse_exception({"resources": [{"attributes": value} for value in resources], **more}, Location("e.json"), 0)


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (entry({"kind": "[A-M].*"}, {"kind": "[N-Z].*"}), True),
        (entry({"kind": "[A-M].*"}, {"kind": "[O-Z].*"}), False),
        (entry({"kind": ".*", "namespace": "shop"}), False),
        (entry({"kind": ".*", "team": ".*"}), False),
        (entry({"namespace": "shop"}, {"name": r"[\s\S]*"}), True),
    ],
)
def test_entries_together_match_everything(exception: PolicyException, expected: bool) -> None:  # noqa: FBT001
    assert covers_everything(exception, (), {}) is expected


NOBODY = {"matchExpressions": [{"key": "nobody", "operator": "DoesNotExist"}]}
NOT_WEB = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}
HAS_APP = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        (NOBODY, (), True),
        (NOBODY, ({"app": "web"},), True),
        (NOBODY, ({"nobody": ""},), False),
        (NOT_WEB, ({"app": "api"},), True),
        (NOT_WEB, ({"app": "api"}, {"app": "web"}), False),
        (HAS_APP, ({"app": "web"},), False),
        ({"matchLabels": {"app": "web"}}, ({"app": "web"},), False),
        ({}, (), True),
    ],
)
def test_selector_that_excludes_nothing_does_not_narrow(
    selector: dict[str, Any],
    labels: tuple[dict[str, str], ...],
    expected: bool,  # noqa: FBT001
) -> None:
    of_objects = entry({"kind": ".*"}, objectSelector=selector)
    assert covers_everything(of_objects, labels, {}) is expected
    of_namespaces = msgspec.structs.replace(of_objects, objects=None, namespaces=of_objects.objects)
    named = {f"n{number}": exception for number, exception in enumerate(labels)}
    assert covers_everything(of_namespaces, (), named) is expected


def test_namespace_selector_by_name() -> None:
    shop = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]}
    exception = msgspec.structs.replace(entry(), namespaces=entry(objectSelector=shop).objects)
    assert covers_everything(exception, (), {"kitchen": {}})
    assert not covers_everything(exception, (), {"kitchen": {}, "shop": {}})


YAML = """\
# a comment
- name: one
  expirationDate: 2027-01-31
  resources: &here
    - attributes: {kind: Pod}
  posturePolicies: [{controlID: C-0057}]
- name: two
  resources: *here
"""


def test_yaml_and_json_are_equivalent(tmp_path: Path) -> None:
    one, two = read_exceptions(written(tmp_path, YAML, "exceptions.yaml"))
    assert (one.exception.name, str(one.exception.location)) == ("one", f"{tmp_path}/exceptions.yaml:2")
    assert one.exception.expires == parse_expiry("2027-01-31")
    assert one.designators == two.designators
    assert json.loads(one.exception.text)["posturePolicies"] == [{"controlID": "C-0057"}]


def test_single_exception_with_keys_in_any_case(tmp_path: Path) -> None:
    (one,) = read_exceptions(written(tmp_path, {"NAME": "one", "PosturePolicies": [{"controlid": "C-0057"}]}))
    assert one.policies[0].control == "C-0057"


def test_title_beside_an_id_is_ignored(tmp_path: Path) -> None:
    both = {"posturePolicies": [{"controlID": "C-0048", "controlName": "Allowed hostPath"}]}
    (one,) = read_exceptions(written(tmp_path, [both]))
    assert one.policies[0].names == ("C-0048",)


def test_entry_without_attributes_matches_nothing(tmp_path: Path) -> None:
    (one,) = read_exceptions(written(tmp_path, [{**ONE, "resources": [{"attributes": {}}]}]))
    assert one.flaw
    (two,) = read_exceptions(written(tmp_path, [{**ONE, "resources": [{}, {"attributes": {"kind": "Pod"}}]}]))
    assert not two.flaw
    assert len(two.designators) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{"resource": []}], "unknown key 'resource': did you mean resources?"),
        ([{"posturePolicies": [{"controlId": "a", "controlID": "b"}]}], "controlID occurs twice"),
        ([{"posturePolicies": [{"control": "a"}]}], "unknown key 'control'"),
        ([{"posturePolicies": [{"controlID": 57}]}], "controlID is not text"),
        ([{"posturePolicies": {}}], "posturePolicies is not a list"),
        ([{"resources": [{"designatorType": "WLID", "wlid": "x"}]}], "designatorType is 'WLID'"),
        ([{"resources": [{"attributes": {"name": "a("}}]}], "is not a regular expression of RE2"),
        ([{"resources": [{"attributes": {"name": "(?=a)"}}]}], "is not a regular expression of RE2"),
        ([{"resources": [{"attributes": {"name": "*-web*"}}]}], "repetition operator: *; use .*-web.*"),
        ([{"resources": [{"attributes": {"name": ["a"]}}]}], "name is not text"),
        ([{"expirationDate": "tomorrow"}], "expirationDate: 'tomorrow' is neither"),
        ([{"expirationDate": ""}], "expirationDate is empty: set a date"),
        ([{"expirationDate": 1893456000}], "expirationDate is neither a date"),
        ([{"expirationDate": False}], "expirationDate is neither a date"),
        ([{"resources": [{"attributes": []}]}], "attributes is not a mapping"),
        ([{"resources": [{"attributes": {"kind": "Pod"}, "wlid": "wlid://a"}]}], "wlid has no effect"),
        ([{"objectSelector": {"matchLabels": []}}], "matchLabels is not a mapping"),
        ([{"objectSelector": []}], "keys and values expected"),
        ([{"policyType": "VulnerabilitiesIgnorePolicy"}], "policyType is"),
        ([{"objectSelector": {"matchLabel": {}}}], "unknown key 'matchLabel': did you mean matchLabels?"),
        ([{"objectSelector": {"matchLabels": {"a": 1}}}], "matchLabels is not a mapping of text"),
        ([{"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}], "operator is 'Is'"),
        ([{"objectSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}], "In with no values"),
        (["one"], "keys and values expected"),
        ({"apiVersion": "v1", "kind": "Pod"}, "Pod is neither SecurityException nor"),
        ({"hello": 1}, "neither a list of exceptions nor an object"),
    ],
)
def test_errors_have_a_location(tmp_path: Path, value: Any, message: str) -> None:
    path = written(tmp_path, json.dumps(value, indent=1))
    with pytest.raises(ExceptionsError) as caught:
        read_exceptions(path)
    place, expected = str(caught.value).split(": ", 1)
    assert place.startswith(f"{path}:")
    assert message in expected


DATES = {
    "2027-01-31": "2027-01-31",
    "2027-01-31T12:00:00Z": "2027-01-31T12:00:00Z",
    "2027-01-31 12:00:00Z": "2027-01-31T12:00:00Z",
    "'2027-01-31'": "2027-01-31",
}


@pytest.mark.parametrize(("written_as", "meant"), DATES.items())
def test_yaml_date_is_text(tmp_path: Path, written_as: str, meant: str) -> None:
    text = f"- expirationDate: {written_as}\n  posturePolicies: [{{controlID: C-0057}}]\n"
    (one,) = read_exceptions(written(tmp_path, text, "e.yaml"))
    assert one.exception.expires == parse_expiry(meant)
    (two,) = read_exceptions(written(tmp_path, SECURITY.replace("2027-01-31T00:00:00Z", written_as), "o.yaml"))
    assert two.exception.expires == parse_expiry(meant)


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        ({"resources": [{"attributes": {"kind": "", "name": "a"}}]}, "kind of resources[0] is empty"),
        ({"resources": [{"attributes": {"kind": None, "name": "a"}}]}, "kind of resources[0] is empty"),
        ({"resources": [{"attributes": {"name": "a"}}, {}]}, "resources[1] is empty and matches nothing"),
        ({"resources": []}, "resources is empty: it matches every resource"),
        ({"resources": None}, "resources is empty"),
        ({"objectSelector": None}, "objectSelector is empty and selects everything"),
        ({"objectSelector": {"matchLabels": {}}}, "objectSelector is empty"),
        ({"expirationDate": None}, "expirationDate is empty: it has no expiry"),
        ({"posturePolicies": []}, "posturePolicies is empty: it matches every control"),
        ({"posturePolicies": [{"controlID": None}]}, "posturePolicies[0] names no control"),
        ({"posturePolicies": [{"controlID": "", "frameworkName": "NSA"}]}, "posturePolicies[0] names no control"),
        ({"posturePolicies": [{"severityScore": 4}]}, "posturePolicies[0] names no control"),
    ],
)
def test_empty_keys_that_widen_the_scope_are_doubted(tmp_path: Path, more: dict[str, Any], doubt: str) -> None:
    (one,) = read_exceptions(written(tmp_path, [{**ONE, **more}]))
    assert [text for text in one.doubts if doubt in text] == list(one.doubts)
    assert len(one.doubts) == 1


def test_complete_exceptions_are_not_doubted(tmp_path: Path) -> None:
    """Written by Kubescape itself, with empty keys beside the ones that matter."""
    policies = [{"controlID": "C-0057", "frameworkName": "", "ruleName": ""}, {"frameworkName": "NSA"}, {}]
    attributes = {"kind": "Pod", "team": "a"}
    resources = [{"designatorType": "Attributes", "wlid": "", "wildwlid": "", "sid": "", "attributes": attributes}]
    (one,) = read_exceptions(written(tmp_path, [{"posturePolicies": policies, "resources": resources}]))
    assert not one.doubts


@pytest.mark.parametrize(
    ("text", "place"),
    [("[{]", ":1:"), ('[{"name": "a", "name": "b"}]', ":1:"), ("- a: [\n", ":"), ("\x00", ":1:")],
)
def test_unreadable_file_is_an_error(tmp_path: Path, text: str, place: str) -> None:
    for name in ("e.json", "e.yaml"):
        with pytest.raises(ExceptionsError, match=rf"{name}{place}"):
            read_exceptions(written(tmp_path, text, name))


def test_missing_files_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(ExceptionsError, match=str(path)):
            read_exceptions(str(path))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe[")
    with pytest.raises(ExceptionsError, match="not UTF-8"):
        read_exceptions(str(tmp_path / "bytes.json"))


SECURITY = """\
apiVersion: v1
kind: List
items:
- apiVersion: kubescape.io/v1beta1
  kind: SecurityException
  metadata: {name: a, namespace: shop}
  spec:
    reason: known
    expiresAt: 2027-01-31T00:00:00Z
    match: {resources: [{apiGroup: apps, kind: Deployment, name: we.b}], objectSelector: {matchLabels: {a: b}}}
    posture: [{controlID: C-0057, action: ignore}]
    vulnerabilities: [{vulnerability: {id: CVE-1}}]
- apiVersion: kubescape.io/v1beta1
  kind: ClusterSecurityException
  metadata: {name: b}
  spec: {match: {images: [nginx]}, vulnerabilities: [{vulnerability: {id: CVE-1}}]}
"""


def test_posture_part_of_custom_resources(tmp_path: Path) -> None:
    (one,) = read_exceptions(written(tmp_path, SECURITY, "e.yaml"))
    assert one.exception.name == "SecurityException shop/a"
    assert one.designators[0].group == "apps"
    value = dict(one.designators[0].patterns)
    assert matches(value["name"], "we.b")
    assert not matches(value["name"], "weeb")
    assert value["namespace"] == "shop"
    assert dict(one.designators[0].attributes)["name"] == "we.b", "people see what is written"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("namespace: shop", "labels: {}"), "it has no namespace"),
        (("objectSelector", "namespaceSelector"), "only a ClusterSecurityException has a namespaceSelector"),
        (("apiGroup: apps", "group: apps"), "unknown key 'group'"),
        (("kind: Deployment, name", "name"), "kind is missing"),
        (("controlID", "control"), "unknown key 'control'"),
        (("controlID: C-0057, ", ""), "controlID is missing"),
        (("controlID: C-0057", "controlID: ''"), "controlID is missing"),
        (("action: ignore", "action: alertOnly"), "action is 'alertOnly', not ignore or alert_only"),
        (("match:", "matchs:"), "unknown key 'matchs': did you mean match?"),
        (("expiresAt", "expireAt"), "unknown key 'expireAt': did you mean expiresAt?"),
        (("expiresAt", "expirationDate"), "unknown key 'expirationDate'"),
        (("    vulnerabilities: [{vulnerability: {id: CVE-1}}]\n-", "  match: {}\n-"), "unknown key 'match'"),
        (("2027-01-31T00:00:00Z", "31.01.2027"), "expiresAt: '31.01.2027' is neither a date"),
        (("2027-01-31T00:00:00Z", "''"), "expiresAt is empty"),
        (("2027-01-31T00:00:00Z", "1893456000"), "expiresAt is neither a date"),
        (("resources: [", "resource: ["), "unknown key 'resource': did you mean resources?"),
        (("objectSelector", "labelSelector"), "unknown key 'labelSelector'"),
        (("matchLabels", "labels"), "unknown key 'labels'"),
        (("{matchLabels: {a: b}}", "{matchLabels: [a]}"), "matchLabels is not a mapping"),
        (("posture:", "postures:"), "unknown key 'postures': did you mean posture?"),
        (("{vulnerability: {id: CVE-1}}]\n- ", "{vulnerabilty: {id: CVE-1}}]\n- "), "did you mean vulnerability?"),
        (("{id: CVE-1}}]\n- ", "{cve: CVE-1}}]\n- "), "unknown key 'cve'"),
        (("metadata: {name: b}", "metadata: {name: b, namespace: shop}"), "has no namespace: use"),
        (("metadata: {name: b}", "metadata: {name: b, Namespace: shop}"), "has no namespace: use"),
        (("vulnerabilities: [{vulnerability: {id: CVE-1}}]}", "reason: a}"), "neither posture nor vulnerabilities"),
    ],
)
def test_ambiguous_custom_resources_are_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    before, after = change
    assert before in SECURITY
    with pytest.raises(ExceptionsError, match=message) as caught:
        read_exceptions(written(tmp_path, SECURITY.replace(before, after, 1), "e.yaml"))
    assert re.match(rf"{tmp_path}/e.yaml:\d+:\d+: ", str(caught.value))


def test_empty_group_beside_a_kind_is_not_doubted(tmp_path: Path) -> None:
    text = SECURITY.replace("apiGroup: apps, kind: Deployment", "apiGroup: '', kind: Pod")
    (one,) = read_exceptions(written(tmp_path, text, "e.yaml"))
    assert not one.doubts


def test_keys_of_custom_resources_in_any_case(tmp_path: Path) -> None:
    text = SECURITY.replace("match:", "Match:", 1).replace("expiresAt", "expiresat").replace("spec:", "Spec:", 1)
    assert read_exceptions(written(tmp_path, text, "e.yaml"))[0].designators[0].group == "apps"
    assert read_exceptions(written(tmp_path, text, "e.yaml"))[0].exception.expires == parse_expiry(
        "2027-01-31T00:00:00Z"
    )


def test_vulnerability_keys_of_kubescape_are_known(tmp_path: Path) -> None:
    more = (
        "{id: CVE-1, aliases: [GHSA-1]}, status: affected, justification: '', impactStatement: a, expiredOnFix: true, "
        "expiresAt: 2027-01-31T00:00:00Z, actionStatement: a, response: [update], subcomponents: ['pkg:npm/a']}"
    )
    assert len(read_exceptions(written(tmp_path, SECURITY.replace("{id: CVE-1}}", more), "e.yaml"))) == 1


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (("name: we.b", "name: ''"), "name of match.resources[0] is empty and matches any value"),
        (("kind: Deployment, name", "kind: '', name"), "kind of match.resources[0] is empty"),
        (("kind: Deployment, name", "kind: , name"), "kind of match.resources[0] is empty"),
        (("apiGroup: apps, kind: Deployment", "apiGroup: '', kind: '*'"), "apiGroup of match.resources[0] is empty"),
        (("2027-01-31T00:00:00Z", ""), "expiresAt is empty: it has no expiry"),
        (("{matchLabels: {a: b}}", "{}"), "objectSelector is empty and selects everything"),
        (("{resources: [{apiGroup: apps, kind: Deployment, name: we.b}],", "{resources: [],"), "resources is empty"),
    ],
)
def test_empty_keys_of_custom_resources_are_doubted(tmp_path: Path, change: tuple[str, str], doubt: str) -> None:
    assert change[0] in SECURITY
    (one,) = read_exceptions(written(tmp_path, SECURITY.replace(*change), "e.yaml"))
    assert len(one.doubts) == 1
    assert doubt in one.doubts[0]


@pytest.mark.parametrize("name", list_sets())
def test_set_names_known_controls_and_few_resources(name: str) -> None:
    controls = ControlMatcher(select(find_frameworks(["allcontrols", "pss-baseline", "pss-restricted"])))
    policy_exceptions = read_set(name)
    assert policy_exceptions
    assert read_set_title(name).endswith(".")
    for exception in policy_exceptions:
        reach = controls.resolve_scope(exception.policies)
        assert not reach.unknown
        assert not reach.everything
        assert reach.slugs
        assert not covers_everything(exception, (), {})
        assert exception.exception.reason
        assert not exception.flaw
        assert not (*exception.doubts, *find_likely_mistakes(exception))
        for designator in exception.designators:
            names = dict(designator.attributes)
            assert names.keys() >= {"kind", "name"}
            assert "namespace" in names or names["kind"] == "ClusterRoleBinding"
            assert not any(matches_everything(key, pattern) for key, pattern in designator.attributes)


def test_built_in_sets() -> None:
    assert list_sets() == ("aks", "eks", "gke", "kubeadm", "kubernetes", "openshift")
    with pytest.raises(ExceptionsError, match="kubekeep list exception-sets"):
        read_set("../exceptions/eks")
