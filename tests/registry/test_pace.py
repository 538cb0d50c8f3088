"""Times of requests to a registry."""

from __future__ import annotations

from kubekeep.registry.pace import RequestTimes


def test_no_second_has_more_requests_than_the_rate() -> None:
    times = RequestTimes(3)
    assert [times.reserve(now) for now in (0.0, 0.0, 0.5, 0.5, 0.6, 0.7)] == [0.0, 0.0, 0.5, 1.0, 1.0, 1.5]


def test_requests_after_an_idle_time_need_no_wait() -> None:
    times = RequestTimes(2)
    assert [times.reserve(now) for now in (0.0, 9.0, 9.0, 9.0)] == [0.0, 9.0, 9.0, 10.0]


def test_rates_below_one_are_one_request_in_more_seconds() -> None:
    times = RequestTimes(0.25)
    assert [times.reserve(0.0) for _ in range(3)] == [0.0, 4.0, 8.0]


def test_fractions_of_a_rate_prolong_the_period() -> None:
    times = RequestTimes(2.5)
    assert [times.reserve(0.0) for _ in range(6)] == [0.0, 0.0, 0.8, 0.8, 1.6, 1.6]


def test_a_pause_of_the_registry_delays_all_later_requests() -> None:
    times = RequestTimes(2)
    times.reserve(0.0)
    times.pause(5.0)
    times.pause(3.0)
    assert [times.reserve(1.0) for _ in range(3)] == [5.0, 5.0, 6.0]
