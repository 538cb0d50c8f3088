"""The documents of a file with imported policies: their kinds, the objects that they refer to, and errors with locations.

Unknown kinds and fields are errors. Never reads a file.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.imagepolicy.policy import InvalidPolicyError, PolicySigner, locate_error
from kubekeep.imagepolicy.requirements import CombinedRule, ImageRequirement
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path, format_path

CONTROLLER: Final = "policy.sigstore.dev"
KYVERNO: Final = "kyverno.io"
IMAGE_VALIDATION: Final = "policies.kyverno.io"
_KINDS: Final = {
    "ClusterImagePolicy": (CONTROLLER, ("v1alpha1", "v1beta1")),
    "TrustRoot": (CONTROLLER, ("v1alpha1",)),
    "ClusterPolicy": (KYVERNO, ("v1", "v2beta1")),
    "Policy": (KYVERNO, ("v1", "v2beta1")),
    "ImageValidatingPolicy": (IMAGE_VALIDATION, ("v1alpha1", "v1beta1", "v1")),
    "NamespacedImageValidatingPolicy": (IMAGE_VALIDATION, ("v1beta1", "v1")),
    "Secret": ("", ("v1",)),
    "ConfigMap": ("", ("v1",)),
}
_HELPERS: Final = ("Secret", "ConfigMap", "TrustRoot")
_LISTS: Final = ("List", *(f"{kind}List" for kind in _KINDS))
T = TypeVar("T")

Locate = Callable[[int, Path], str]
"""Returns file, line and column of a path in a document of the file, by its number."""


class FixedResultError(Exception):
    """A part of a policy whose result is fixed: it cannot be evaluated, or the policy engine always refuses it."""

    def __init__(self, requirement: ImageRequirement) -> None:
        super().__init__(requirement.not_evaluated or requirement.deny)
        self.requirement = requirement


class ResourceFields(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Fields of a custom resource; others are errors."""


class PolicyDocument(msgspec.Struct, frozen=True):
    """One object of a file. number: of its document; at: its path in the document, for an entry of a list."""

    value: dict[str, Any]
    number: int
    at: Path
    locate: Locate

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return str(self.value.get("kind"))

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(as_mapping(self.value.get("metadata")).get("name") or "unnamed")

    @property
    def namespace(self) -> str:
        """The namespace of the object, or ""."""
        return str(as_mapping(self.value.get("metadata")).get("namespace") or "")

    def create_error(self, path: Path, message: str) -> InvalidPolicyError:
        """Return an error about a field."""
        return InvalidPolicyError(message, (*self.at, *path), self.number)

    def describe(self, path: Path) -> str:
        """Return the location of a field and its name."""
        return f"{self.locate(self.number, (*self.at, *path))}: {format_path(path)}"

    def decline(self, path: Path, reason: str) -> ImageRequirement:
        """Return a requirement that cannot be evaluated. reason: the cause and the next step."""
        return ImageRequirement(not_evaluated=f"{self.describe(path)}: {reason}")

    def refuse(self, path: Path, reason: str) -> FixedResultError:
        """Return an error for a signer that cannot be evaluated. reason: the cause and the next step."""
        return FixedResultError(self.decline(path, reason))

    def convert(self, kind: type[T]) -> T:
        """Return the document as a type. Raises InvalidPolicyError for unknown fields and wrong types."""
        try:
            return msgspec.convert(self.value, kind)
        except msgspec.ValidationError as error:
            flaw = locate_error(str(error), self.value)
            raise self.create_error(flaw.path, f"{self.kind}: {flaw}") from error


class ConvertedRules(msgspec.Struct):
    """The signers and rules of the policies in a file, and notes about parts that do not affect images."""

    signers: dict[str, PolicySigner] = msgspec.field(default_factory=dict)
    rules: list[CombinedRule] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def add_signer(self, name: str, signer: PolicySigner) -> str:
        """Add a signer; return its name, which gets a number if another signer has it."""
        unique, number = name, 2
        while self.signers.get(unique, signer) != signer:
            unique, number = f"{name}-{number}", number + 1
        self.signers[unique] = signer
        return unique


class PolicyObjects:
    """The objects of a file by kind, and the values in its Secrets and ConfigMaps."""

    def __init__(self, documents: Iterable[PolicyDocument]) -> None:
        """Check the kinds. Raises InvalidPolicyError for an unknown kind, and for two objects with one name."""
        self._objects: dict[tuple[str, str, str], PolicyDocument] = {}
        for document in documents:
            _check_kind(document)
            namespace = document.namespace if document.kind not in ("ClusterImagePolicy", "TrustRoot") else ""
            key = (document.kind, namespace, document.name)
            if key in self._objects:
                raise document.create_error((), f"two objects of kind {document.kind} have the name {document.name}")
            self._objects[key] = document

    def list_kinds(self, *kinds: str) -> list[PolicyDocument]:
        """Return the objects of some kinds in their order."""
        return [document for (kind, _, _), document in self._objects.items() if kind in kinds]

    def find(self, kind: str, name: str, namespace: str = "") -> PolicyDocument | None:
        """Return the object with a name; without a namespace, that of any namespace if there is only one."""
        if namespace:
            exact = self._objects.get((kind, namespace, name))
            return exact or self._objects.get((kind, "", name))
        matches = [document for (each, _, own), document in self._objects.items() if (each, own) == (kind, name)]
        return matches[0] if len(matches) == 1 else None

    def read_data(self, document: PolicyDocument) -> dict[str, str]:
        """Return the texts in a Secret or ConfigMap. Raises InvalidPolicyError, which never contains a value."""
        texts: dict[str, str] = {}
        is_secret = document.kind == "Secret"
        for field in ("data", "stringData") if is_secret else ("data",):
            for key, value in as_mapping(document.value.get(field)).items():
                if not isinstance(value, str):
                    raise document.create_error((field, str(key)), "text expected")
                try:
                    is_encoded = is_secret and field == "data"
                    texts[str(key)] = base64.b64decode(value, validate=True).decode() if is_encoded else value
                except ValueError:
                    raise document.create_error((field, str(key)), "not text in Base64") from None
        return texts


def split_lists(values: Iterable[tuple[int, Any]], locate: Locate) -> list[PolicyDocument]:
    """Return the objects of numbered documents, with the entries of lists. Raises InvalidPolicyError."""
    documents: list[PolicyDocument] = []
    for number, value in values:
        if not isinstance(value, dict):
            raise InvalidPolicyError("a mapping with apiVersion and kind expected", (), number)
        if str(value.get("kind")) not in _LISTS:
            documents.append(PolicyDocument(value, number, (), locate))
            continue
        items = value.get("items")
        for position, entry in enumerate(items if isinstance(items, list) else ()):
            if not isinstance(entry, dict):
                raise InvalidPolicyError("a mapping with apiVersion and kind expected", ("items", position), number)
            documents.append(PolicyDocument(entry, number, ("items", position), locate))
    return documents


def is_imported(value: Any) -> bool:
    """Return True for a document of an imported policy, or an object that it may refer to."""
    return isinstance(value, dict) and str(value.get("kind")) in (*_KINDS, *_LISTS)


def _check_kind(document: PolicyDocument) -> None:
    kind, version = document.value.get("kind"), document.value.get("apiVersion")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise document.create_error(("kind",), f"unknown kind {str(kind)[:100]}; use {', '.join(_KINDS)}")
    group, versions = _KINDS[kind]
    known = [f"{group}/{each}" if group else each for each in versions]
    if version not in known:
        raise document.create_error(("apiVersion",), f"{kind} has the apiVersion {' or '.join(known)}")
    if not isinstance(document.value.get("metadata", {}), dict):
        raise document.create_error(("metadata",), "a mapping expected")


def has_policy(objects: PolicyObjects) -> bool:
    """Return True if there is a policy, not only objects that policies refer to."""
    return bool(objects.list_kinds(*(kind for kind in _KINDS if kind not in _HELPERS)))
