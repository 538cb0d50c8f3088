"""Rules: messages of events in the store, on both databases: scopes, filters, groups, digests, quiet hours and silence."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import EvaluatedScope, GapEntry, HiddenObjects, ImageEntry
from kubekeep_server.identity import Grant, Role
from kubekeep_server.notifications.messages import Message
from kubekeep_server.process.message_loading import READERS, load_message
from kubekeep_server.store import notification_schema
from kubekeep_server.store.deliveries import (
    LEASE_SECONDS,
    Delivery,
    DeliveryState,
    claim_deliveries,
    end_delivery,
    finish_event,
    postpone_delivery,
    queue_deliveries,
    remove_old,
)
from kubekeep_server.store.destinations import Author, NewDestination, create_destination
from kubekeep_server.store.notification_rules import NewRule, create_rule, list_rules
from kubekeep_server.store.outbox import EventContent, EventKind, EventText, add_event, load_pending
from kubekeep_server.store.rule_documents import Digest, Grouping, QuietHours, RuleDocument, RuleEvent, RuleFilter
from kubekeep_server.store.rule_evaluation import plan_deliveries, plan_due, plan_silent
from kubekeep_server.store.service_levels import ServiceLevel, ServiceLevels, set_service_levels
from kubekeep_server.store.tokens import create_token
from tests.server.conftest import Database
from tests.server.test_images import BLOG, SHOP, WEB, build_content, build_image, build_scan, build_workload, run
from tests.server.test_ingest import START, build, build_subject, submit

ALL: Final = (Grant(Role.MANAGER, "*"),)
OPENED: Final = RuleDocument(events=(RuleEvent.FINDING_OPENED,))
NOW: Final = START + dt.timedelta(days=1)


class Rules:
    """Rules of a store, and the messages of its events."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.names: dict[int, str] = {}

    def add(self, name: str, document: RuleDocument, *grants: Grant) -> None:
        """Add a rule with a destination of its own. grants: of its author; those of everything if there are none."""
        run, end = self.database.run, START + dt.timedelta(days=9_999)
        new = NewDestination(name=name, kind="webhook", settings={}, secrets=None)
        destination = run(create_destination, new, Author("ada"), START)
        token = run(
            lambda connection: create_token(
                connection, name.encode(), name, grants or ALL, now=START, expires=end, actor="ada"
            )
        )
        rule = NewRule(name=name, destination=destination, document=document)
        self.names[run(create_rule, rule, Author("ada", token=token), START)] = name

    def compare(self, now: dt.datetime = NOW) -> None:
        """Compare the pending events with all rules."""
        run = self.database.run
        rules = run(list_rules, now)
        for event in run(load_pending, 100):
            planned = run(plan_deliveries, event, rules, READERS, now)
            assert run(finish_event, event.id, planned, now)
            assert not run(finish_event, event.id, planned, now)

    def claim(self, now: dt.datetime = NOW) -> list[Delivery]:
        return self.database.run(claim_deliveries, (), now)

    def send(self, now: dt.datetime = NOW) -> list[tuple[str, Message | None]]:
        """Return the due messages with the names of their rules, and mark them as sent."""
        messages = []
        while claimed := self.claim(now):
            for delivery in claimed:
                message = self.database.run(load_message, delivery, "https://kubekeep.example", now)
                messages.append((self.names[delivery.rule or 0], message))
                assert self.database.run(end_delivery, delivery, DeliveryState.SENT, "", "", now)
        return messages

    def list_titles(self, now: dt.datetime = NOW) -> list[tuple[str, str]]:
        """Compare and send; return the titles of messages by rule."""
        self.compare(now)
        return [(name, message.title if message else "") for name, message in self.send(now)]


@pytest.fixture
def rules(database: Database) -> Rules:
    return Rules(database)


def select_sources(*scopes: str) -> RuleDocument:
    return replace(OPENED, filter=RuleFilter(sources=scopes))


def test_message_is_about_the_source_whose_state_changed(rules: Rules) -> None:
    rules.add("shop", select_sources("cluster/shop"))
    rules.add("blog", select_sources("cluster/blog"))
    rules.add("repositories", select_sources("repository/*"))
    for source in (SHOP, BLOG):
        submit(rules.database, build_scan(0, build_workload(1, run(WEB)), build_image(WEB), source=source))
        rules.compare()
    assert rules.send() == []
    image = ImageEntry(WEB, ("ghcr.io/shop/web:1",), "", build_content("3.0.1"))
    submit(
        rules.database,
        build_scan(1, build_workload(1, run(WEB)), build_image(WEB, "CVE-1"), source=BLOG, images=[image]),
    )
    assert rules.list_titles() == [("blog", "Critical finding opened: CVE-1: Image ghcr.io/shop/web:1 in blog")]


def test_message_has_the_scope_of_the_author_at_its_time(rules: Rules) -> None:
    rules.add("shop", OPENED, Grant(Role.MANAGER, "cluster/shop"))
    rules.add("namespace", OPENED, Grant(Role.MANAGER, "cluster/shop", ("front",)))
    rules.add("agent", OPENED, Grant(Role.AGENT, "*"))
    subjects = (build_subject(1, "C-0003", namespace="front"), build_subject(2, "C-0003", namespace="back"))
    for name in ("shop", "blog"):
        submit(rules.database, build(0, *subjects, scope=("C-0003",), source=SourceCluster(name)))
    assert sorted(rules.list_titles()) == [
        ("namespace", "Critical finding opened: C-0003: Deployment web-1 (namespace front) in shop"),
        ("shop", "2 critical findings opened: C-0003 in shop"),
    ]
    submit(rules.database, build(1, *subjects, build_subject(3, "C-0003"), scope=("C-0003",), source=SHOP))
    rules.compare()
    # The token of the author ends between the event and the message.
    assert [message for _, message in rules.send(START + dt.timedelta(days=10_000))] == [None]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (RuleFilter(), 2),
        (RuleFilter(namespaces=("other",)), 0),
        (RuleFilter(namespaces=("shop",), kinds=("Deployment",)), 2),
        (RuleFilter(kinds=("Pod",)), 0),
        (RuleFilter(names=("web-1",)), 2),
        (RuleFilter(owners=("team web", "other")), 2),
        (RuleFilter(owners=("other",)), 0),
        (RuleFilter(owners=("-",)), 0),
        (RuleFilter(labels=("app=web", "tier")), 2),
        (RuleFilter(labels=("app=api",)), 0),
        (RuleFilter(definitions=("C-0001",)), 1),
        (RuleFilter(severities=("low",)), 1),
        (RuleFilter(priorities=("high", "critical")), 1),
        (RuleFilter(definition_kinds=("vulnerability",)), 0),
        (RuleFilter(exposed=True), 0),
        (RuleFilter(exposed=False), 2),
        (RuleFilter(text="c-0002"), 1),
    ],
)
def test_filters_are_those_of_findings(rules: Rules, criteria: RuleFilter, expected: int) -> None:
    rules.add("rule", replace(OPENED, filter=criteria))
    labels = {"app": "web", "tier": "front"}
    submit(rules.database, build(0, build_subject(1, "C-0001", "C-0002", owner="team web", labels=labels)))
    assert len(rules.list_titles()) == expected


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (RuleFilter(owners=("team web",)), 1),
        (RuleFilter(owners=("other",)), 0),
        (RuleFilter(labels=("app=web",), kinds=("Image",)), 1),
        (RuleFilter(labels=("app=web",), owners=("-",)), 0),
    ],
)
def test_images_have_the_owners_and_labels_of_their_workloads(
    rules: Rules, criteria: RuleFilter, expected: int
) -> None:
    rules.add("rule", replace(OPENED, filter=criteria))
    workload = msgspec.structs.replace(build_workload(1, run(WEB)), owner="team web", labels={"app": "web"})
    submit(rules.database, build_scan(0, workload, build_image(WEB, "CVE-1")))
    assert len(rules.list_titles()) == expected


def test_opened_reopened_and_fixed(rules: Rules) -> None:
    for event in (RuleEvent.FINDING_OPENED, RuleEvent.FINDING_REOPENED, RuleEvent.FINDING_FIXED):
        rules.add(event.value, RuleDocument(events=(event,), grouping_minutes=0))
    name = "C-0001: Deployment web-1 (namespace shop) in uid"
    for day, definitions, expected in (
        (0, ("C-0001",), [("finding-opened", f"High finding opened: {name}")]),
        (1, (), [("finding-fixed", f"High finding fixed: {name}")]),
        (2, ("C-0001",), [("finding-reopened", f"High finding reopened: {name}")]),
    ):
        submit(rules.database, build(day, build_subject(1, *definitions)))
        assert rules.list_titles(NOW + dt.timedelta(days=day)) == expected


def test_fix_names_the_problem_that_was_opened(rules: Rules) -> None:
    events = (RuleEvent.FINDING_OPENED, RuleEvent.FINDING_FIXED)
    rules.add("rule", RuleDocument(events=events))
    submit(rules.database, build(0, build_subject(1, "C-0001"), build_subject(2, "C-0001")))
    rules.compare()
    ((_, opened),) = rules.send()
    submit(rules.database, build(1, build_subject(1), build_subject(2, "C-0001")))
    rules.compare()
    ((_, first),) = rules.send()
    submit(rules.database, build(2, build_subject(1), build_subject(2)))
    later = NOW + dt.timedelta(hours=1)
    rules.compare(later)
    ((_, last),) = rules.send(later)
    assert opened is not None
    assert first is not None
    assert last is not None
    assert first.resolved == ()
    assert opened.key in last.resolved


def test_lost_coverage(rules: Rules) -> None:
    rules.add("rule", RuleDocument(events=(RuleEvent.COVERAGE_LOST,)))
    subject = build_subject(1, "C-0001")
    submit(rules.database, build(0, subject))
    assert rules.list_titles() == []
    gap = GapEntry("forbidden", hides=HiddenObjects("apps", "Deployment", "shop"))
    submit(rules.database, build(1, scope=EvaluatedScope(("C-0001", "C-0002")), gaps=(gap,)))
    titles = rules.list_titles()
    assert titles == [
        ("rule", "High finding not seen by the last scan: C-0001: Deployment web-1 (namespace shop) in uid")
    ]
    submit(rules.database, build(2, scope=EvaluatedScope(("C-0001", "C-0002")), gaps=(gap,)))
    assert rules.list_titles() == []


def test_group_is_one_message_in_ten_minutes(rules: Rules) -> None:
    rules.add("rule", OPENED)
    submit(rules.database, build(0, build_subject(1, "C-0001"), build_subject(2, "C-0001")))
    assert rules.list_titles() == [("rule", "2 high findings opened: C-0001 in uid")]
    for day in (1, 2):
        subjects = [build_subject(number, "C-0001") for number in range(1, 3 + day)]
        submit(rules.database, build(day, *subjects))
        assert rules.list_titles(NOW + dt.timedelta(minutes=day)) == []
    assert rules.list_titles(NOW + dt.timedelta(minutes=11)) == [("rule", "2 high findings opened: C-0001 in uid")]


def test_many_definitions_are_one_message(rules: Rules) -> None:
    rules.add("rule", OPENED)
    rules.add("source", replace(OPENED, grouping=Grouping.SOURCE))
    names = [f"C-{number:04}" for number in range(1, 8)]
    severities = dict.fromkeys(names, "high")
    submit(rules.database, build(0, build_subject(1, *names), scope=names, severities=severities))
    title = "7 findings opened in uid: 7 high"
    assert sorted(rules.list_titles()) == [("rule", title), ("source", title)]


def test_message_leaves_out_what_is_fixed_when_it_is_sent(rules: Rules) -> None:
    rules.add("rule", OPENED)
    submit(rules.database, build(0, build_subject(1, "C-0001"), build_subject(2, "C-0001")))
    rules.compare()
    submit(rules.database, build(1, build_subject(1), build_subject(2, "C-0001")))
    (message,) = rules.send()
    assert message[1] is not None
    assert "web-2" in message[1].title
    submit(rules.database, build(2, build_subject(1, "C-0002"), build_subject(2, "C-0001")))
    rules.compare()
    submit(rules.database, build(3, build_subject(1), build_subject(2)))
    assert rules.send() == [("rule", None)]


def test_digest_collects_events(rules: Rules) -> None:
    events = (RuleEvent.FINDING_OPENED, RuleEvent.FINDING_FIXED)
    rules.add("rule", RuleDocument(events=events, digest=Digest.DAILY, digest_hour=8))
    for cluster in ("a", "b"):
        submit(rules.database, build(0, build_subject(1, "C-0001"), source=SourceCluster(cluster)))
    submit(rules.database, build(1, build_subject(1), source=SourceCluster("b")))
    assert rules.list_titles() == []
    due = NOW.replace(hour=8)
    ((_, message),) = rules.send(due)
    assert message is not None
    assert message.title == "Summary of findings: 1 opened, 1 fixed"
    assert [section.heading.partition(":")[0] for section in message.sections] == [
        "High finding opened",
        "High finding fixed",
    ]
    assert rules.send(due + dt.timedelta(days=1)) == []


def test_summary_lists_what_is_due(rules: Rules) -> None:
    levels = ServiceLevels(levels=(ServiceLevel("high", 3), ServiceLevel("low", 30)))
    rules.database.run(set_service_levels, levels, "ada", START)
    document = RuleDocument(events=(RuleEvent.FINDING_DUE,), digest=Digest.DAILY, digest_hour=8)
    rules.add("all", document)
    rules.add("namespace", document, Grant(Role.MANAGER, "cluster/shop", ("front",)))
    rules.add("other", replace(document, filter=RuleFilter(sources=("cluster/none",))))
    rules.add("low", replace(document, filter=RuleFilter(priorities=("low",))))
    rules.add("no service level", replace(document, filter=RuleFilter(priorities=("critical",))))
    subjects = (build_subject(1, "C-0001", "C-0002", namespace="front"), build_subject(2, "C-0001", namespace="back"))
    submit(rules.database, build(0, *subjects, source=SHOP))

    def send(day: int) -> dict[str, str]:
        """Return the summaries of a day by rule; each is sent once."""
        queued, due = START + dt.timedelta(days=day), START + dt.timedelta(days=day, hours=8)
        for now in (queued, queued, due - dt.timedelta(minutes=1)):
            rules.database.run(queue_deliveries, plan_due(rules.database.run(list_rules, now), now), now)
            assert rules.send(now) == []
        return {name: message.title for name, message in rules.send(due) if message}

    assert send(1) == {
        "all": "Summary of findings: 2 due within a week",
        "namespace": "Summary of findings: 1 due within a week",
    }
    assert send(4)["all"] == "Summary of findings: 2 overdue"
    assert send(25) == {
        "all": "Summary of findings: 2 overdue, 1 due within a week",
        "namespace": "Summary of findings: 1 overdue, 1 due within a week",
        "low": "Summary of findings: 1 due within a week",
    }
    submit(
        rules.database, build(26, build_subject(1, namespace="front"), build_subject(2, namespace="back"), source=SHOP)
    )
    assert send(27) == {}


def test_due_findings_are_for_summaries() -> None:
    with pytest.raises(ValueError, match="choose a digest"):
        RuleDocument(events=(RuleEvent.FINDING_DUE,)).check()


def test_silence_is_reported_once(rules: Rules) -> None:
    rules.add("rule", RuleDocument(events=(RuleEvent.SOURCE_SILENT,), silent_hours=24))
    submit(rules.database, build(0, build_subject(1)))
    database = rules.database
    for hours, expected in ((23, 0), (25, 1), (26, 0), (99, 0)):
        now = START + dt.timedelta(hours=hours)
        planned = database.run(plan_silent, database.run(list_rules, now), READERS, now)
        database.run(queue_deliveries, planned, now)
        titles = [message.title for _, message in rules.send(now) if message]
        assert titles == ["uid is silent: its last scan finished at 2026-01-01 00:00 UTC"] * expected


@pytest.mark.parametrize(("namespace", "names"), [("", {"all"}), ("front", {"all", "front"})])
def test_text_of_a_decision_reaches_those_who_see_its_source(rules: Rules, namespace: str, names: set[str]) -> None:
    document = RuleDocument(events=(RuleEvent.DECISION_WAITS,))
    rules.add("all", document)
    rules.add("front", document, Grant(Role.MANAGER, "cluster/uid", ("front",)))
    rules.add("other", document, Grant(Role.MANAGER, "cluster/other"))
    submit(rules.database, build(0, build_subject(1)))
    text = EventText("C-0001 waits for approval", "by ada", "/decisions/1", namespace)
    content = EventContent(text=text)
    rules.database.run(lambda connection: add_event(connection, EventKind.DECISION_WAITS, NOW, content, source=1))
    assert {name for name, title in rules.list_titles() if title == text.title} == names


def test_claim_of_an_ended_process_ends(rules: Rules) -> None:
    rules.add("rule", OPENED)
    submit(rules.database, build(0, build_subject(1, "C-0001")))
    rules.compare()
    (first,) = rules.claim()
    assert rules.claim() == []
    later = NOW + dt.timedelta(seconds=LEASE_SECONDS + 1)
    (second,) = rules.claim(later)
    assert (first.id, second.attempts) == (second.id, 2)
    # The first process comes back: its mark counts no more.
    assert not rules.database.run(end_delivery, first, DeliveryState.SENT, "", "", later)
    assert rules.database.run(postpone_delivery, second, "", "no answer", later + dt.timedelta(minutes=1))
    assert rules.claim(later) == []
    assert len(rules.claim(later + dt.timedelta(minutes=1))) == 1


def test_old_messages_and_events_are_removed(rules: Rules) -> None:
    rules.add("rule", OPENED)
    submit(rules.database, build(0, build_subject(1, "C-0001")))
    assert len(rules.list_titles()) == 1
    database = rules.database
    database.run(remove_old, NOW + dt.timedelta(days=29))
    assert count(database) == (1, 1, 1)
    database.run(remove_old, NOW + dt.timedelta(days=31))
    assert count(database) == (0, 0, 0)


def count(database: Database) -> tuple[int, ...]:
    tables = (notification_schema.outbox, notification_schema.delivery, notification_schema.delivery_event)
    return tuple(
        database.run(
            lambda connection, table=table: connection.execute(select(func.count()).select_from(table)).scalar()
        )
        for table in tables
    )


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("fields", "now", "due"),
    [
        ({}, "2026-01-05T12:00", "2026-01-05T12:00"),
        ({"quiet_hours": QuietHours("22:00", "07:00")}, "2026-01-05T23:00", "2026-01-06T07:00"),
        ({"quiet_hours": QuietHours("22:00", "07:00")}, "2026-01-05T06:59", "2026-01-05T07:00"),
        ({"quiet_hours": QuietHours("22:00", "07:00")}, "2026-01-05T07:00", "2026-01-05T07:00"),
        (
            {"quiet_hours": QuietHours("12:00", "13:00"), "zone": "Europe/Zurich"},
            "2026-07-01T10:30",
            "2026-07-01T11:00",
        ),
        (
            {"quiet_hours": QuietHours("22:00", "07:00"), "zone": "Europe/Zurich"},
            "2026-03-28T23:00",
            "2026-03-29T05:00",
        ),
        ({"digest": Digest.HOURLY}, "2026-01-05T12:10", "2026-01-05T13:00"),
        ({"digest": Digest.DAILY}, "2026-01-05T08:00", "2026-01-06T08:00"),
        ({"digest": Digest.DAILY, "zone": "America/New_York"}, "2026-01-05T12:00", "2026-01-05T13:00"),
        ({"digest": Digest.WEEKLY}, "2026-01-05T09:00", "2026-01-12T08:00"),
        (
            {"digest": Digest.WEEKLY, "quiet_hours": QuietHours("00:00", "09:00")},
            "2026-01-05T09:00",
            "2026-01-12T09:00",
        ),
    ],
)
def test_time_of_a_message(fields: dict[str, Any], now: str, due: str) -> None:
    assert replace(OPENED, **fields).compute_due(at(now)) == at(due)


@pytest.mark.parametrize("fields", [{"zone": "Mars/Olympus"}, {"zone": "../../etc/passwd"}, {"zone": ""}])
def test_unknown_time_zone_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        replace(OPENED, **fields).check()
