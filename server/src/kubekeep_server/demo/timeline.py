"""Days of the demo before today, as negative numbers, and the releases of services. Values only."""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import itertools
from typing import Final

from kubekeep_server.demo.chance import draw
from kubekeep_server.demo.company import ENTRY_POINT, JAVA, Cluster, Service

START: Final = -364
ARRIVAL: Final = -238
"""The day on which the vulnerability of Tomcat is published: 34 weeks ago."""
ARRIVING: Final = "CVE-2025-24813"
LAST_OF_STAGING: Final = -63
RIGHTS_SINCE: Final = -150
"""The day on which the entry point gets the right to read Secrets, in prod-us."""
OPERATOR_LIMITED_SINCE: Final = START / 3
"""The day on which the operator that deploys prod-eu loses its rights to do everything."""
SECRETS_HIDDEN_SINCE: Final = -84
"""The day on which the scanner of prod-us loses the permission to list Secrets and ConfigMaps."""
EXCEPTION_ENDS: Final = -18
NEXT_EXCEPTION_ENDS: Final = 11
_FROZEN: Final = -160
"""The last day with releases in prod-us."""
_FROZEN_EARLY: Final = ARRIVAL - 7
_EARLY: Final = ("storefront-api", "vouchers", "payments-worker", "invoices", "returns", "stock-sync", "exports")
"""Services without releases in prod-us since before the arrival, beside the entry point."""
_LATE: Final = ("refunds", "orders-api")
"""Services whose fix comes late to prod-eu."""
_INTERVAL: Final = 70
_LATEST_FIRST: Final = 52
_DELAYS: Final = {Cluster.STAGING: 0, Cluster.EUROPE: 1, Cluster.AMERICA: 3}
_LATE_DELAY: Final = 24
_FIX_DAYS: Final = 3
_OTHER_UPGRADE: Final = -130
"""The first day on which an image of another publisher is upgraded."""
EPOCH_DAYS: Final = 100
"""Days between two updates of the advisory database."""


def to_time(now: dt.datetime, day: float) -> dt.datetime:
    """Return the time of a day of the demo."""
    return now + dt.timedelta(days=day)


@functools.cache
def list_releases(service: Service) -> tuple[int, ...]:
    """Return the days on which a service gets a new image; the first one is before the demo starts."""
    if service.image:
        return START - 30, _OTHER_UPGRADE + int(40 * draw(service.name, "upgrade"))
    first = START + 18 + int(_LATEST_FIRST * draw(service.name, "release"))
    days = [START - 30, *range(first, 0, _INTERVAL)]
    if service.stack == JAVA:
        days.append(ARRIVAL + 1 + int(_FIX_DAYS * draw(service.name, "fix")))
    return tuple(sorted(days))


def get_release(service: Service, cluster: Cluster, day: float) -> int:
    """Return the number of the release that a cluster runs."""
    delay = _DELAYS[cluster]
    if cluster is Cluster.EUROPE and service.name in _LATE and day < ARRIVAL + _LATE_DELAY:
        delay += _LATE_DELAY
    if cluster is Cluster.AMERICA:
        is_early = service.name == ENTRY_POINT or service.name in _EARLY
        day = min(day, _FROZEN_EARLY if is_early else _FROZEN)
    return max(bisect.bisect_right(list_releases(service), day - delay) - 1, 0)


def list_scan_days(cluster: Cluster) -> tuple[int, ...]:
    """Return the days on which a cluster is scanned.

    Every two weeks, since two months every week, and daily in the week of the arrival and in the last week.
    """
    last = LAST_OF_STAGING if cluster is Cluster.STAGING else 0
    days = itertools.chain(range(START, 0, 14), range(-63, 0, 7), range(ARRIVAL, ARRIVAL + 9), range(-7, 1))
    return tuple(sorted({day for day in days if day <= last}))
