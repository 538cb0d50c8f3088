"""Measures the permissions of a cluster of many roles and bindings: their ingest, and each operation about identities.

usage: python benchmarks/identities.py URL [--number 10000]
URL: of an empty store, which is filled with one cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec

from kubekeep.model.permissions import (
    AccessRequest,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    PermissionRule,
    RoleEntry,
)
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import VERSION, Submission, Versions, compute_manifest, digest_permissions
from kubekeep.model.text import encode_json
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.permissions import load_permissions
from kubekeep_server.store.queries.identities import list_identities, list_permissions
from kubekeep_server.store.queries.permitted import list_permitted
from kubekeep_server.store.scopes import EVERYTHING

NAMESPACES = 400
RULES = 4
RUNS = 7
GROUPS = {
    "": ("pods", "pods/exec", "secrets", "configmaps", "services", "serviceaccounts/token", "nodes/proxy"),
    "apps": ("deployments", "statefulsets", "daemonsets"),
    "batch": ("jobs", "cronjobs"),
    "example.com": tuple(f"kind{number}s" for number in range(200)),
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
ACCOUNT = BoundSubject("ServiceAccount", "account-0", "namespace-0")


def build_permissions(number: int) -> ClusterPermissions:
    """Return roles and bindings, as many of each as `number`; a tenth is of the whole cluster."""
    chance = random.Random(1)

    def build_rule() -> PermissionRule:
        group = chance.choice([*GROUPS])
        resources = chance.sample(GROUPS[group], chance.randint(1, 2))
        names = (f"object-{chance.randrange(1_000)}",) if chance.random() < 0.2 else ()
        return PermissionRule(tuple(chance.sample(VERBS, 3)), (group,), tuple(resources), names)

    def build_subject(namespace: str) -> BoundSubject:
        if chance.random() < 0.2:
            return BoundSubject("User", f"user-{chance.randrange(2_000)}")
        return BoundSubject("ServiceAccount", f"account-{chance.randrange(20)}", namespace)

    roles, bindings = [], []
    for position in range(number):
        namespace = f"namespace-{position % NAMESPACES}" if position % 10 else ""
        roles.append(RoleEntry(f"role-{position}", namespace, tuple(build_rule() for _ in range(RULES))))
        subjects = {build_subject(namespace or "namespace-0") for _ in range(2)} | (
            {ACCOUNT} if position < 200 else set()
        )
        bindings.append(
            BindingEntry(
                f"binding-{position}",
                f"role-{position}",
                namespace,
                "Role" if namespace else "ClusterRole",
                tuple(sorted(subjects)),
            )
        )
    return ClusterPermissions(tuple(roles), tuple(bindings))


def build_submission(permissions: ClusterPermissions) -> bytes:
    """Return the submission of a cluster without findings."""
    now = dt.datetime.now(dt.UTC)
    submission = Submission(
        schema=VERSION,
        id="benchmark",
        source=SourceCluster("benchmark"),
        started=now,
        finished=now,
        versions=Versions("1"),
        manifest=compute_manifest(()),
        permissions=permissions,
        permissions_digest=digest_permissions(permissions),
    )
    return encode_json(submission).encode()


async def measure(url: str, number: int) -> None:
    """Print the median time of each step with the encoding of the answer."""
    database = open_database(url)
    await database.run(upgrade)
    document = build_submission(build_permissions(number))
    start = time.process_time()
    await database.run(ingest, document, dt.datetime.now(dt.UTC))
    print(f"{'ingest':<40} {(time.process_time() - start) * 1000:7.0f} ms of {len(document):,} bytes")
    steps: dict[str, Callable[[Any], Any]] = {
        "list of subjects": list_identities,
        "permissions of a subject": lambda content: list_permissions(content, ACCOUNT),
        "who can read Secrets": lambda content: list_permitted(
            content, AccessRequest("get", "", "secrets"), "namespace-1"
        ),
    }
    for title, step in steps.items():
        times = []
        for _ in range(RUNS):
            start, cpu = time.perf_counter(), time.process_time()
            content = await database.run(load_permissions, EVERYTHING, 1)
            msgspec.json.encode(step(content))
            times.append(((time.perf_counter() - start) * 1000, (time.process_time() - cpu) * 1000))
        wall, processor = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"{title:<40} {wall:7.0f} ms, {processor:.0f} ms of this process")
    await database.close()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--number", type=int, default=10_000)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.url, arguments.number))


if __name__ == "__main__":
    main()
