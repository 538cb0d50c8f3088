"""Provenance of SLSA in both versions: recorded ones, and those of common builders by their documentation."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.provenance import Provenance, read_provenance
from kubekeep.signatures.verification import Signer, VerifiedSignature

RECORDED = Path(__file__).parent / "recorded"
GITHUB = "https://github.com/example/app"


def read(predicate: Any, version: str = "v1") -> Provenance:
    content = json.dumps(predicate).encode()
    return read_provenance(
        VerifiedSignature(
            "cosign", "referrers", "sha256:0", Signer(), f"https://slsa.dev/provenance/{version}", content
        )
    )


def test_recorded() -> None:
    bundle = json.loads((RECORDED / "provenance.json").read_text())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert read(statement["predicate"], statement["predicateType"].rpartition("/")[2]) == Provenance(
        builder="https://github.com/actions/runner",
        build_type="https://github.com/npm/cli/gha/v2",
        source="https://github.com/sigstore/sigstore-js",
        reference="refs/heads/main",
        commit="dae8bd8eb433a4147b4655c00fe73e0f22bc0fb1",
        invocation=statement["predicate"]["metadata"]["buildInvocationId"],
    )


def test_version_1() -> None:
    predicate: dict[str, Any] = {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": "refs/tags/v1", "repository": GITHUB, "path": "x.yml"}},
            "resolvedDependencies": [{"uri": f"git+{GITHUB}@refs/tags/v1", "digest": {"gitCommit": "a" * 40}}],
        },
        "runDetails": {
            "builder": {"id": f"{GITHUB}/.github/workflows/x.yml@refs/tags/v1"},
            "metadata": {"invocationId": f"{GITHUB}/actions/runs/1", "finishedOn": "2026-01-01T00:00:00Z"},
        },
    }
    assert read(predicate) == Provenance(
        builder=f"{GITHUB}/.github/workflows/x.yml@refs/tags/v1",
        build_type="https://actions.github.io/buildtypes/workflow/v1",
        source=GITHUB,
        reference="refs/tags/v1",
        commit="a" * 40,
        invocation=f"{GITHUB}/actions/runs/1",
        finished="2026-01-01T00:00:00Z",
    )
    del predicate["buildDefinition"]["resolvedDependencies"]
    provenance = read(predicate)
    assert (provenance.source, provenance.reference, provenance.commit) == (GITHUB, "refs/tags/v1", "")


@pytest.mark.parametrize(
    ("predicate", "version", "expected"),
    [
        ({}, "v1", Provenance()),
        ({}, "v0.2", Provenance()),
        ({"builder": {"id": "x"}, "materials": None}, "v0.1", Provenance(builder="x")),
        (
            {"materials": [{"uri": "pkg:docker/x"}, {"uri": "git+https://u@h/r", "digest": {"sha1": "c"}}]},
            "v0.2",
            Provenance(source="https://u@h/r", commit="c"),
        ),
        (
            {"buildDefinition": {"externalParameters": {"source": {"uri": "git+https://h/r@refs/heads/x"}}}},
            "v1.1",
            Provenance(source="https://h/r", reference="refs/heads/x"),
        ),
    ],
)
def test_incomplete(predicate: Any, version: str, expected: Provenance) -> None:
    assert read(predicate, version) == expected


@pytest.mark.parametrize(("predicate", "version"), [([], "v1"), ({"builder": 1}, "v0.2"), ({}, "v2"), ({}, "x")])
def test_refused(predicate: Any, version: str) -> None:
    with pytest.raises(SignatureError):
        read(predicate, version)
