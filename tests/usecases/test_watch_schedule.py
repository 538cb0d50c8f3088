"""When a watch looks at what does not come by itself, by a clock that the test sets."""

from __future__ import annotations

import pytest

from kubekeep.usecases import watch_schedule
from kubekeep.usecases.watch_schedule import DiscoverySchedule, SleepDetector


class Clock:
    """Both clocks of a machine."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now + self.slept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(watch_schedule, "time", found)
    return found


def looks(clock: Clock, plan: DiscoverySchedule, seconds: float, heard: list[float], took: float = 0.0) -> list[float]:
    """When it is looked within `seconds` from now on, if there is news at `heard`; all from now on."""
    began, found = clock.now, []
    while clock.now < began + seconds:
        news = [began + moment for moment in heard if began + moment <= clock.now]
        if plan.is_due(max(news, default=0.0)):
            found.append(round(clock.now - began, 1))
            clock.now += took
            plan.record_poll(took)
        clock.now = round(clock.now + 0.1, 1)
    return found


def test_without_news_it_is_looked_now_and_then(clock: Clock) -> None:
    assert looks(clock, DiscoverySchedule(600), 1900, []) == [600, 1200, 1800]


def test_news_is_looked_at_soon_and_once_more(clock: Clock) -> None:
    assert looks(clock, DiscoverySchedule(600), 700, [50]) == [50.5, 55.5, 655.5]


def test_what_is_looked_at_for_news_is_no_routine(clock: Clock) -> None:
    plan, found = DiscoverySchedule(600), []
    for _ in range(3):
        while not plan.is_due(1000.0 if clock.now >= 1000 else 0.0):
            clock.now += 0.5
        found.append((clock.now - 1000, plan.is_routine))
        plan.record_poll(0)
    assert found == [(0.5, False), (5.5, False), (605.5, True)]


def test_a_flood_of_news_is_looked_at_now_and_then(clock: Clock) -> None:
    found = looks(clock, DiscoverySchedule(600), 10, [moment / 10 for moment in range(1, 100)])
    assert found == [0.6, 2.6, 4.6, 6.6, 8.6]


def test_who_takes_long_is_asked_less_often(clock: Clock) -> None:
    assert looks(clock, DiscoverySchedule(600), 100, [10, 14], took=3) == [10.5, 43.5, 76.5]


def test_a_machine_that_slept_is_noticed_once(clock: Clock) -> None:
    sleep = SleepDetector()
    clock.now += 500
    assert not sleep.has_slept()
    clock.slept += 60
    assert sleep.has_slept()
    assert not sleep.has_slept()
    # A clock that is put right is no sleep.
    clock.slept -= 1
    assert not sleep.has_slept()
