"""The schedule of discovery polls, with a clock set by the test."""

from __future__ import annotations

import pytest

from kubekeep.usecases.watching import schedule
from kubekeep.usecases.watching.schedule import DiscoverySchedule, SleepDetector


class Clock:
    """The monotonic clock and the wall clock of a machine."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now + self.slept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    controlled = Clock()
    monkeypatch.setattr(schedule, "time", controlled)
    return controlled


def simulate_polls(
    clock: Clock, plan: DiscoverySchedule, seconds: float, changes: list[float], duration: float = 0.0
) -> list[float]:
    """Return the times of polls within `seconds`, with changes at `changes`; relative to now."""
    start, polls = clock.now, []
    while clock.now < start + seconds:
        change_times = [start + moment for moment in changes if start + moment <= clock.now]
        if plan.is_due(max(change_times, default=0.0)):
            polls.append(round(clock.now - start, 1))
            clock.now += duration
            plan.record_poll(duration)
        clock.now = round(clock.now + 0.1, 1)
    return polls


def test_polls_are_periodic_without_changes(clock: Clock) -> None:
    assert simulate_polls(clock, DiscoverySchedule(600), 1900, []) == [600, 1200, 1800]


def test_change_is_polled_soon_and_once_more(clock: Clock) -> None:
    assert simulate_polls(clock, DiscoverySchedule(600), 700, [50]) == [50.5, 55.5, 655.5]


def test_poll_after_a_change_is_not_routine(clock: Clock) -> None:
    plan, polls = DiscoverySchedule(600), []
    for _ in range(3):
        while not plan.is_due(1000.0 if clock.now >= 1000 else 0.0):
            clock.now += 0.5
        polls.append((clock.now - 1000, plan.is_routine))
        plan.record_poll(0)
    assert polls == [(0.5, False), (5.5, False), (605.5, True)]


def test_many_changes_are_rate_limited(clock: Clock) -> None:
    polls = simulate_polls(clock, DiscoverySchedule(600), 10, [moment / 10 for moment in range(1, 100)])
    assert polls == [0.6, 2.6, 4.6, 6.6, 8.6]


def test_slow_polls_are_less_frequent(clock: Clock) -> None:
    assert simulate_polls(clock, DiscoverySchedule(600), 100, [10, 14], duration=3) == [10.5, 43.5, 76.5]


def test_sleep_is_detected_once(clock: Clock) -> None:
    sleep = SleepDetector()
    clock.now += 500
    assert not sleep.has_slept()
    clock.slept += 60
    assert sleep.has_slept()
    assert not sleep.has_slept()
    # A corrected clock is not a sleep.
    clock.slept -= 1
    assert not sleep.has_slept()
