"""All kinds of destinations, by the name that the API has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep_server.notifications.alertmanager import Alertmanager
from kubekeep_server.notifications.destination import Destination
from kubekeep_server.notifications.jira import Jira
from kubekeep_server.notifications.mail import Mail
from kubekeep_server.notifications.pagerduty import PagerDuty
from kubekeep_server.notifications.slack import Slack
from kubekeep_server.notifications.syslog import Syslog
from kubekeep_server.notifications.teams import Teams
from kubekeep_server.notifications.webhook import Webhook

KINDS: Final[Mapping[str, type[Destination]]] = {
    "alertmanager": Alertmanager,
    "jira": Jira,
    "mail": Mail,
    "pagerduty": PagerDuty,
    "slack": Slack,
    "syslog": Syslog,
    "teams": Teams,
    "webhook": Webhook,
}


def build_destination(kind: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Destination:
    """Return a destination. Raises ValueError for an unknown kind, and for settings that it does not have or cannot use."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of destinations; use one of {', '.join(KINDS)}")
    names = list_secret_names(kind)
    if misplaced := (settings.keys() & names) | (secrets.keys() - names):
        raise ValueError(f"{', '.join(sorted(misplaced))}: secrets of {kind} are {', '.join(sorted(names)) or 'none'}")
    try:
        built = msgspec.convert({**settings, **secrets}, KINDS[kind])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    built.check()
    return built


def list_secret_names(kind: str) -> frozenset[str]:
    """Return the names of secrets of a kind, as the API has them."""
    names = dict(zip(KINDS[kind].__struct_fields__, KINDS[kind].__struct_encode_fields__, strict=True))
    return frozenset(names[name] for name in KINDS[kind].secret_names)
