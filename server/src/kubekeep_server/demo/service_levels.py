"""Service levels of the demo: production first, and what can be reached from outside before all."""

from __future__ import annotations

from typing import Final

from kubekeep_server.store.service_levels import ServiceLevel, ServiceLevels, SourceEnvironment

SERVICE_LEVELS: Final = ServiceLevels(
    levels=(
        ServiceLevel("critical", 7, exposed=True, environment="production"),
        ServiceLevel("critical", 14),
        ServiceLevel("high", 30, exposed=True, environment="production"),
        ServiceLevel("high", 90, environment="production"),
        ServiceLevel("high", 180),
    ),
    environments=(SourceEnvironment("production", ("prod-*",)),),
)
