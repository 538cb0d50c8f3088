"""Permissions of operations and roles. The table lists all operations of the API; what it does not allow is refused."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from kubekeep.model.decision import DecisionScope
from kubekeep.model.scanned_source import ANY_SOURCE, covers_source
from kubekeep_server.identity import Grant, Identity, Role


class Permission(enum.Enum):
    """A right that operations require."""

    PUBLIC = "public"
    """No identity: sign-in, and what must be known before it."""
    SIGNED_IN = "signed in"
    """An identity of any role, about itself."""
    SUBMIT = "submit"
    READ = "read"
    """Sources and their findings."""
    MANAGE_SOURCES = "manage sources"
    """Deletion of sources."""
    MANAGE_SERVICE_LEVELS = "manage service levels"
    DECIDE = "decide"
    """Decisions on findings."""
    READ_DECISIONS = "read decisions"
    """Those in force, for a scan that applies them."""
    READ_LOG = "read log"
    READ_NOTIFICATIONS = "read notifications"
    MANAGE_NOTIFICATIONS = "manage notifications"
    """Destinations and rules."""
    ENROL = "enrol"
    MANAGE_TOKENS = "manage tokens"
    MANAGE_USERS = "manage users"


_ALL: Final = frozenset(Role)
ROLES: Final[dict[Permission, frozenset[Role]]] = {
    Permission.PUBLIC: _ALL,
    Permission.SIGNED_IN: _ALL,
    Permission.SUBMIT: frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT}),
    Permission.READ: frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AUDITOR, Role.VIEWER}),
    Permission.MANAGE_SOURCES: frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    Permission.MANAGE_SERVICE_LEVELS: frozenset({Role.ADMINISTRATOR}),
    Permission.DECIDE: frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    Permission.READ_DECISIONS: _ALL,
    Permission.READ_LOG: frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
    Permission.READ_NOTIFICATIONS: frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AUDITOR}),
    Permission.MANAGE_NOTIFICATIONS: frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    Permission.ENROL: frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    Permission.MANAGE_TOKENS: frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    Permission.MANAGE_USERS: frozenset({Role.ADMINISTRATOR}),
}
OPERATIONS: Final[dict[str, Permission]] = {
    "getHealth": Permission.PUBLIC,
    "getReadiness": Permission.PUBLIC,
    "getMetrics": Permission.PUBLIC,
    "getIdentity": Permission.SIGNED_IN,
    "getOpenApi": Permission.SIGNED_IN,
    "submitScan": Permission.SUBMIT,
    "submitResults": Permission.SUBMIT,
    "submitPostureReport": Permission.SUBMIT,
    "submitContainerScan": Permission.SUBMIT,
    "reportStatus": Permission.SUBMIT,
    "reportScanFailure": Permission.SUBMIT,
    "listKubescapeFrameworks": Permission.SUBMIT,
    "getKubescapeParameters": Permission.SUBMIT,
    "discoverServices": Permission.PUBLIC,
    "listAttackTracks": Permission.PUBLIC,
    "listControlExceptions": Permission.PUBLIC,
    "listVulnerabilityExceptions": Permission.PUBLIC,
    "listArmoVulnerabilityExceptions": Permission.PUBLIC,
    "getTotals": Permission.READ,
    "listChanges": Permission.READ,
    "listSources": Permission.READ,
    "getSource": Permission.READ,
    "getSourceCoverage": Permission.READ,
    "listNamespaces": Permission.READ,
    "listBranches": Permission.READ,
    "listViews": Permission.READ,
    "createView": Permission.READ,
    "deleteView": Permission.READ,
    "exportList": Permission.SIGNED_IN,
    "getComparison": Permission.READ,
    "listComparedFindings": Permission.READ,
    "deleteSource": Permission.MANAGE_SOURCES,
    "getSubject": Permission.READ,
    "getImageSbom": Permission.READ,
    "getImageVex": Permission.READ,
    "getSubjectSbom": Permission.READ,
    "getSubjectVex": Permission.READ,
    "getSourceSbom": Permission.READ,
    "getSourceVex": Permission.READ,
    "listenToEvents": Permission.READ,
    "listScans": Permission.READ,
    "getScan": Permission.READ,
    "listFindings": Permission.READ,
    "countDueFindings": Permission.READ,
    "getServiceLevels": Permission.READ,
    "previewServiceLevels": Permission.READ,
    "setServiceLevels": Permission.MANAGE_SERVICE_LEVELS,
    "listFindingGroups": Permission.READ,
    "listFindingSubjects": Permission.READ,
    "listOwners": Permission.READ,
    "listFixes": Permission.READ,
    "listVulnerabilities": Permission.READ,
    "getVulnerability": Permission.READ,
    "listAffectedImages": Permission.READ,
    "listAffectedWorkloads": Permission.READ,
    "listImages": Permission.READ,
    "getImage": Permission.READ,
    "listImagePackages": Permission.READ,
    "listImageWorkloads": Permission.READ,
    "listImageProblems": Permission.READ,
    "search": Permission.READ,
    "listPackages": Permission.READ,
    "listPackageVersions": Permission.READ,
    "listPackageWorkloads": Permission.READ,
    "listIdentities": Permission.READ,
    "listIdentityPermissions": Permission.READ,
    "listPermittedIdentities": Permission.READ,
    "getAdvisories": Permission.READ,
    "listFrameworks": Permission.READ,
    "getFramework": Permission.READ,
    "listFrameworkSources": Permission.READ,
    "getRequirement": Permission.READ,
    "exportFramework": Permission.READ,
    "listDecisions": Permission.READ,
    "getDecision": Permission.READ,
    "exportDecisions": Permission.READ,
    "createDecision": Permission.DECIDE,
    "answerDecision": Permission.DECIDE,
    "endDecision": Permission.DECIDE,
    "commentDecision": Permission.DECIDE,
    "setDecisionWork": Permission.DECIDE,
    "listDecisionsInForce": Permission.READ_DECISIONS,
    "getSignInMethods": Permission.PUBLIC,
    "createSession": Permission.PUBLIC,
    "redeemLink": Permission.PUBLIC,
    "beginOidcLogin": Permission.PUBLIC,
    "completeOidcLogin": Permission.PUBLIC,
    "deleteSession": Permission.SIGNED_IN,
    "changePassword": Permission.SIGNED_IN,
    "beginDeviceLogin": Permission.PUBLIC,
    "takeDeviceToken": Permission.PUBLIC,
    "getDeviceLogin": Permission.SIGNED_IN,
    "answerDeviceLogin": Permission.SIGNED_IN,
    "listUsers": Permission.MANAGE_USERS,
    "createUser": Permission.MANAGE_USERS,
    "changeUser": Permission.MANAGE_USERS,
    "createLink": Permission.MANAGE_USERS,
    "listTokens": Permission.MANAGE_TOKENS,
    "createToken": Permission.MANAGE_TOKENS,
    "revokeToken": Permission.MANAGE_TOKENS,
    "listLog": Permission.READ_LOG,
    "listDestinations": Permission.READ_NOTIFICATIONS,
    "createDestination": Permission.MANAGE_NOTIFICATIONS,
    "changeDestination": Permission.MANAGE_NOTIFICATIONS,
    "deleteDestination": Permission.MANAGE_NOTIFICATIONS,
    "testDestination": Permission.MANAGE_NOTIFICATIONS,
    "listRules": Permission.READ_NOTIFICATIONS,
    "createRule": Permission.MANAGE_NOTIFICATIONS,
    "changeRule": Permission.MANAGE_NOTIFICATIONS,
    "deleteRule": Permission.MANAGE_NOTIFICATIONS,
    "previewRule": Permission.MANAGE_NOTIFICATIONS,
    "listDeliveries": Permission.READ_NOTIFICATIONS,
    "resendDelivery": Permission.MANAGE_NOTIFICATIONS,
    "createEnrolment": Permission.ENROL,
    "redeemEnrolment": Permission.PUBLIC,
    "renewCredential": Permission.PUBLIC,
}
"""The permission by operation id of the OpenAPI document."""
MANAGED_ROLES: Final[dict[Role, frozenset[Role]]] = {
    Role.ADMINISTRATOR: _ALL,
    Role.MANAGER: frozenset({Role.MANAGER, Role.VIEWER, Role.AGENT}),
}
"""Roles that a role may give to a token."""


def list_grants(identity: Identity, permission: Permission) -> tuple[Grant, ...]:
    """Return the grants of an identity whose role has a permission; their scopes say where.

    Users have no scope: only an administrator of all sources manages them.
    """
    grants = tuple(grant for grant in identity.grants if grant.role in ROLES[permission])
    if permission is Permission.MANAGE_USERS:
        return tuple(grant for grant in grants if grant.scope == ANY_SOURCE and not grant.namespaces)
    return grants


def may_submit(identity: Identity, source: str) -> bool:
    """Return True if an identity may submit for a source. A grant for some namespaces is not enough."""
    grants = list_grants(identity, Permission.SUBMIT)
    return any(grant.covers(source) and not grant.namespaces for grant in grants)


def may_give(grants: Iterable[Grant], requested: Grant) -> bool:
    """Return True if the owner of grants may give the requested one to a token: no more than it has itself."""
    return any(
        requested.role in MANAGED_ROLES.get(grant.role, frozenset()) and grant.includes(requested) for grant in grants
    )


def may_decide(identity: Identity, scope: DecisionScope) -> bool:
    """Return True if an identity may decide on all findings of a scope."""
    grants = list_grants(identity, Permission.DECIDE)
    return all(
        any(grant.includes(Grant(grant.role, source, scope.namespaces)) for grant in grants) for source in scope.sources
    )


def may_read_decision(grants: Iterable[Grant], scope: DecisionScope) -> bool:
    """Return True if a scope may have findings that grants show."""
    return any(
        (grant.covers(source) or covers_source(source, grant.scope))
        and (not grant.namespaces or not scope.namespaces or not {*grant.namespaces}.isdisjoint(scope.namespaces))
        for grant in grants
        for source in scope.sources
    )


def has_whole_scope(identity: Identity, permission: Permission) -> bool:
    """Return True if an identity has a permission in all sources and namespaces."""
    return any(grant.scope == ANY_SOURCE and not grant.namespaces for grant in list_grants(identity, permission))
