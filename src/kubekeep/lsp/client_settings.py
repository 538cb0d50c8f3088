"""Settings of the client, `kubekeep.*`: from the initialization options and from configuration changes. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.severity import Severity

_SECTION: Final = "kubekeep"
_MAX_DEBOUNCE: Final = 5000


class SuppressionSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Texts of new suppression comments and exceptions: the reason, and the days until they expire."""

    reason: str = "TODO: add the reason"
    days: int = 90


class ClientSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The settings.

    Named frameworks and controls replace those of the configuration file. config: path of a configuration file, used
    instead of a discovered one. debounce: milliseconds without a change before an evaluation.
    """

    frameworks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    minimum_severity: str = ""
    config: str = ""
    debounce: int = 150
    code_lens: bool = True
    suppression: SuppressionSettings = SuppressionSettings()

    @property
    def severity(self) -> Severity | None:
        """The minimum severity of findings; None if not set."""
        return Severity.parse(self.minimum_severity) if self.minimum_severity else None

    @property
    def delay(self) -> float:
        """The debounce in seconds."""
        return min(max(self.debounce, 0), _MAX_DEBOUNCE) / 1000


_NAMES: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ClientSettings))


def select_section(value: Any) -> Mapping[str, Any] | None:
    """Return the settings in `value`, with or without the section `kubekeep` around them; None if it has none of them.

    Clients send an empty value for "no settings", and some send the settings of all servers.
    """
    settings: Mapping[str, Any] = as_mapping(value)
    if _SECTION in settings:
        return as_mapping(settings[_SECTION])
    return settings if not settings.keys().isdisjoint(_NAMES) else None


def parse_settings(settings: Mapping[str, Any]) -> ClientSettings:
    """Parse the settings of the section. Raises ValueError with the name of an invalid one."""
    try:
        parsed = msgspec.convert({key: entry for key, entry in settings.items() if entry is not None}, ClientSettings)
    except msgspec.ValidationError as error:
        raise ValueError(f"invalid settings of {_SECTION}: {error}") from error
    if parsed.minimum_severity:
        Severity.parse(parsed.minimum_severity)
    return parsed
