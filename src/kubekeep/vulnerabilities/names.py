"""The names under which advisories and packages meet. Never decides if a record applies."""

from __future__ import annotations

from kubekeep.ecosystems.shared.registry import find_named_ecosystem


def normalise_name(ecosystem: str, name: str) -> str:
    """Return the key of a package in the ecosystem, which may have a release.

    Lower case, since some package URLs are lower-cased: the caller compares the exact spelling where case matters.
    """
    definition = find_named_ecosystem(ecosystem.partition(":")[0])
    return definition.normalise_record_name(name) if definition else name.lower()


def is_same_name(ecosystem: str, record_name: str, name: str) -> bool:
    """Return True if a record's name is the package's name by the rules of the ecosystem, without a release."""
    if record_name == name:
        return True
    definition = find_named_ecosystem(ecosystem)
    if definition and definition.is_case_sensitive:
        return False
    return normalise_name(ecosystem, record_name) == normalise_name(ecosystem, name)
