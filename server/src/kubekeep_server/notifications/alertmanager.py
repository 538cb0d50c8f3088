"""Prometheus Alertmanager: alerts by its API v2. An alert ends when nothing of the problem is open, or after a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from kubekeep_server.notifications.destination import Destination, OptionalSecret, Text, Url
from kubekeep_server.notifications.messages import Message, write_plain
from kubekeep_server.notifications.network import Network

_ALERT = "KubekeepNotification"


class Alertmanager(Destination, frozen=True, kw_only=True):
    """An Alertmanager. url: its address, without the path of the API. token: a bearer token. labels: added to each alert.

    hours: after which an alert ends by itself, if no fix ended it before.
    """

    secret_names: ClassVar[frozenset[str]] = frozenset({"token"})
    url: Url
    token: OptionalSecret = ""
    labels: Annotated[tuple[Text, ...], msgspec.Meta(max_length=20)] = ()
    hours: Annotated[int, msgspec.Meta(ge=1, le=8_784)] = 24

    def check(self) -> None:
        """Raise ValueError for labels that are not `NAME=VALUE`."""
        super().check()
        for label in self.labels:
            name, separator, _ = label.partition("=")
            if not separator or not name.isidentifier() or not name.isascii():
                raise ValueError(f"labels: {label!r} is not NAME=VALUE")

    def render(self, message: Message) -> str:
        """Return the JSON document."""
        return msgspec.json.encode(self.build_alerts(message)).decode()

    async def send(self, message: Message, network: Network) -> None:
        """Send the alerts of a message. Raises DeliveryError."""
        if alerts := self.build_alerts(message):
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            url = f"{self.url.rstrip('/')}/api/v2/alerts"
            await network.request("POST", url, content=msgspec.json.encode(alerts), headers=headers)

    def build_alerts(self, message: Message) -> list[dict[str, Any]]:
        """Return the alerts: one that fires, or one for each problem that is resolved.

        Labels that differ make another alert, so that those of a problem have its identity only, and the level of its rule is
        an annotation.
        """
        if message.is_fix:
            now = message.moment
            return [self._build(message, key, now - dt.timedelta(seconds=1), now, {}) for key in message.resolved]
        annotations = {"summary": message.title, "description": write_plain(message), "priority": message.priority}
        ends = message.moment + dt.timedelta(hours=self.hours)
        return [self._build(message, message.key, message.moment, ends, annotations)]

    def _build(
        self, message: Message, key: str, starts: dt.datetime, ends: dt.datetime, annotations: Mapping[str, str]
    ) -> dict[str, Any]:
        own = {"alertname": _ALERT, "problem": key, "source": message.source_key, "rule": message.rule}
        labels = dict(label.partition("=")[::2] for label in self.labels)
        return {
            "labels": {**labels, **{name: value for name, value in own.items() if value}},
            "annotations": dict(annotations),
            "startsAt": starts.isoformat(),
            "endsAt": ends.isoformat(),
            "generatorURL": message.url,
        }
