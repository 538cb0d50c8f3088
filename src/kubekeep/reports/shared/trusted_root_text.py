"""Text about the origin of a trusted root, for the terminal. Decides nothing."""

from __future__ import annotations

import datetime as dt

from kubekeep.model.text import utc_text
from kubekeep.signatures.verification import RootOrigin
from kubekeep.vulnerabilities.database.age import format_age


def describe_root(origin: RootOrigin, now: dt.datetime) -> str:
    """Return the origin and age of a root, and the reason why an updated one is not used."""
    newest = f"newest authority or log of {origin.newest:%Y-%m-%d}" if origin.newest else "without authorities and logs"
    match origin.kind:
        case "updated" if origin.updated and origin.expires:
            age = f"updated {format_age(now - origin.updated)} ago, expires at {utc_text(origin.expires)}"
            text = f"{origin.name}, {age}"
        case "built-in":
            text = f"Sigstore's public instance, built in, {newest}"
        case _:
            text = f"{origin.name}, {newest}"
    return f"{text}; {origin.note}" if origin.note else text
