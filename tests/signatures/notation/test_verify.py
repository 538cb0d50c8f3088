"""Verification of notation signatures: every case of `cases.py`, and the same by the Notary Project's own library."""

from __future__ import annotations

import datetime as dt
import functools
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.trust_policy import load_trust_policy
from kubekeep.signatures.notation.trust_store import TrustStore
from kubekeep.signatures.notation.verify import NotationTrust, verify_envelope
from kubekeep.signatures.verification import VerifiedSignature
from tests.oracles.program import program
from tests.signatures.notation.cases import STRICTER, SignatureCase, list_cases
from tests.signatures.notation.signing import COSE, JWS, create_root, create_signer, policy, sign, write_configuration

REPOSITORY = "registry.example/team/app"


def verify(case: SignatureCase, folder: Path) -> VerifiedSignature:
    """Verify a case with its configuration written to `folder`."""
    write_configuration(folder, case.stores, case.policies)
    policy = load_trust_policy(folder / "trustpolicy.json").select(REPOSITORY)
    assert policy is not None
    trust = NotationTrust(policy, TrustStore(folder), dt.datetime.now(dt.UTC))
    return verify_envelope(case.media_type, case.content, case.target, trust, "referrers")


@functools.cache
def all_cases() -> tuple[SignatureCase, ...]:
    """Return the cases; they are made when a test runs, since keys take time."""
    return tuple(list_cases())


def test_cases(tmp_path: Path) -> None:
    differences = {}
    for number, case in enumerate(all_cases()):
        (tmp_path / str(number)).mkdir()
        try:
            signature = verify(case, tmp_path / str(number))
        except SignatureError as error:
            if not case.reason or case.reason not in str(error):
                differences[case.name] = str(error)
            continue
        if case.reason:
            differences[case.name] = "verified"
        assert signature.digest == case.target.digest
        assert len(signature.signer.key) == 64
        assert "O=Example" in signature.signer.identity
    assert not differences
    assert len(all_cases()) > 120


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("media_type", [JWS, COSE])
def test_damaged_envelopes_are_refused(media_type: str, tmp_path: Path) -> None:
    """Only bytes that are not signed may change: then the result is the same."""
    content = sign(create_signer(), media_type)
    case = SignatureCase("damaged", content, media_type, "", {"ca:example": [create_root().certificate]}, [policy()])
    expected = verify(case, tmp_path)
    trust_policy = load_trust_policy(tmp_path / "trustpolicy.json").select(REPOSITORY)
    assert trust_policy is not None
    trust = NotationTrust(trust_policy, TrustStore(tmp_path), dt.datetime.now(dt.UTC))
    refused = 0
    for position in range(0, len(content), 3):
        damaged = content[:position] + bytes((content[position] ^ 1 << position % 8,)) + content[position + 1 :]
        try:
            assert verify_envelope(media_type, damaged, case.target, trust, "referrers") == expected
        except SignatureError:
            refused += 1
    assert refused > len(content) // 4


def test_reference_library_decides_the_same(tmp_path: Path) -> None:
    cases = all_cases()
    results = by_name(cases, verify_with_reference(tmp_path, cases))
    stricter = {name for name, (case, result) in results.items() if result == "ok" and case.reason}
    weaker = {name for name, (case, result) in results.items() if result != "ok" and not case.reason}
    assert not weaker
    assert stricter == STRICTER.keys()


def verify_with_reference(folder: Path, cases: Sequence[SignatureCase]) -> list[str]:
    """Return the decision of the reference library on each case: "ok", or the error."""
    requests = []
    for number, case in enumerate(cases):
        case_folder = write_folder(folder / f"reference-{number}", case)
        target = case.target
        requests.append(
            {
                "folder": str(case_folder),
                "envelope": str(case_folder / "envelope"),
                "mediaType": case.media_type,
                "reference": f"{REPOSITORY}@{target.digest}",
                "descriptor": {"mediaType": target.media_type, "digest": target.digest, "size": target.size},
            }
        )
    file = folder / "cases.json"
    file.write_text(json.dumps(requests))
    command: list[str | Path] = [program("notation"), "verify", file]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


def by_name(cases: tuple[SignatureCase, ...], results: list[str]) -> dict[str, tuple[SignatureCase, str]]:
    return {case.name: (case, result) for case, result in zip(cases, results, strict=True)}


def write_folder(folder: Path, case: SignatureCase) -> Path:
    folder.mkdir()
    (folder / "envelope").write_bytes(case.content)
    return write_configuration(folder, case.stores, case.policies)
