"""Messages for tests of destinations, with text that is hostile to each of them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from msgspec.structs import replace

from kubekeep_server.notifications.messages import Line, Message, Section

NOW: Final = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
HOSTILE: Final = (
    '<script>alert(1)</script> <!channel> [x](http://evil.example) *b* _i_ | = ] " {noformat} \\ & \N{SNOWMAN}'
)
URL: Final = "https://kubekeep.example/findings?source=1&definition=C-0001"
MESSAGE: Final = Message(
    id="1-2",
    key="0123abcd",
    event="finding-opened",
    title="2 critical findings opened: Privileged container in shop",
    text="Set privileged to false.",
    moment=NOW,
    priority="critical",
    source="shop",
    source_key="cluster/shop",
    definition="C-0057",
    url=URL,
    sections=(
        Section(
            heading="Findings",
            lines=(
                Line(text="Privileged container: Deployment web (namespace shop)", priority="critical", url=URL),
                Line(text="Privileged container: Deployment api (namespace shop)", priority="critical", url=URL),
            ),
            more=3,
        ),
    ),
    rule="exposed and critical",
)
FIX: Final = replace(MESSAGE, event="finding-fixed", title="2 critical findings fixed", resolved=("0123abcd",))
HOSTILE_MESSAGE: Final = replace(
    MESSAGE,
    title=HOSTILE,
    text=HOSTILE,
    source=HOSTILE,
    rule=HOSTILE,
    definition=HOSTILE,
    sections=(Section(heading=HOSTILE, lines=(Line(text=HOSTILE, priority="high", detail=HOSTILE, url=URL),)),),
)
