"""Conversion of the policies in a file to one image policy. Never reads a file.

Policies of the policy-controller and of Kyverno decide differently on images without a policy, so a file has one of
them. Frozen: accepts fixes, no new features. The package states the rules of all conversions, with an example.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from kubekeep.imagepolicy.imported.cluster_image_policy import convert_cluster_image_policies, read_unmatched
from kubekeep.imagepolicy.imported.documents import (
    ConvertedRules,
    FixedResultError,
    Locate,
    PolicyObjects,
    has_policy,
    split_lists,
)
from kubekeep.imagepolicy.imported.image_validating_policy import convert_image_validating_policies
from kubekeep.imagepolicy.imported.kyverno_policy import convert_kyverno_policies
from kubekeep.imagepolicy.imported.trust_root import read_trust_root
from kubekeep.imagepolicy.policy import API_VERSION, KIND, ImagePolicy, InvalidPolicyError, parse_policy

_KYVERNO_KINDS = ("ClusterPolicy", "Policy", "ImageValidatingPolicy", "NamespacedImageValidatingPolicy")


class ImportedPolicy(msgspec.Struct, frozen=True):
    """The image policy of imported policies. notes: parts of the file that do not affect images."""

    policy: ImagePolicy
    notes: tuple[str, ...]


def convert_policies(values: Iterable[tuple[int, Any]], locate: Locate) -> ImportedPolicy:
    """Return the image policy for the numbered documents of a file. Raises InvalidPolicyError."""
    objects = PolicyObjects(split_lists(values, locate))
    if not has_policy(objects):
        raise InvalidPolicyError("the file has no policy, only objects that policies refer to")
    is_controller = bool(objects.list_kinds("ClusterImagePolicy"))
    others = objects.list_kinds(*_KYVERNO_KINDS)
    if is_controller and others:
        message = "policies of the policy-controller and of Kyverno cannot be in one file: use one file for each"
        raise others[0].create_error(("kind",), message)
    rules = ConvertedRules()
    for document in objects.list_kinds("TrustRoot"):
        # One that cannot be evaluated matters only to the authorities that name it.
        with contextlib.suppress(FixedResultError):
            read_trust_root(document)
    convert_cluster_image_policies(objects, rules)
    convert_kyverno_policies(objects, rules)
    convert_image_validating_policies(objects, rules)
    unmatched: Literal["allow", "deny"] = read_unmatched(objects) if is_controller else "allow"
    policy = ImagePolicy(
        api_version=API_VERSION,
        kind=KIND,
        unmatched=unmatched,
        signers=rules.signers,
        combined_rules=tuple(rules.rules),
    )
    # The checks of policy files hold for converted ones too.
    return ImportedPolicy(parse_policy(msgspec.to_builtins(policy)), tuple(rules.notes))
