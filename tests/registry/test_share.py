"""Libraries pushed to and pulled from a real registry by the command line: exit codes, messages, written files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubekeep.library.load import ROOT
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.manifest import decode_manifest
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from tests.command_line import run_command_line
from tests.oracles.program import program
from tests.registry.service import Service

Keys = tuple[Path, Path]
POD = Path(__file__).parents[2] / "examples" / "online-shop" / "operations" / "debug-pod.yaml"


def kubekeep(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_command_line(*map(str, arguments), variables={"DOCKER_CONFIG": "/nowhere", **environment})


def push(folder: Path, reference: ArtifactReference, *options: object, **environment: str) -> str:
    result = kubekeep("library", "push", folder, reference, "--plain-http", *options, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def pull(reference: object, folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return kubekeep("library", "pull", reference, folder, "--plain-http", *options)


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def extend(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def assert_refused(result: subprocess.CompletedProcess[str], folder: Path, *words: str) -> None:
    """Assert that nothing was written and that the message contains `words`."""
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("refused: ")
    assert all(word in result.stderr for word in words), result.stderr
    assert not folder.exists()
    assert not list(folder.parent.glob(".kubekeep-*"))


def test_round_trip(service: Service, rules: Path, keys: Keys, tmp_path: Path) -> None:
    reference = service.reference("round/trip")
    digest = push(rules, reference, "--key", keys[0])
    for version in (reference, f"oci://{reference.name}@{digest}"):
        target = tmp_path / "pulled"
        result = pull(version, target, "--key", keys[1])
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{digest}\n"
        pulled_files = read_files(target)
        origin = json.loads(pulled_files.pop("kubekeep-library.json"))
        assert pulled_files == {f"controls/{path}": content for path, content in read_files(rules).items()}
        assert (origin["digest"], origin["version"], len(origin["signed_by"])) == (digest, "1.0", 64)
    scanned = kubekeep("scan", "framework", "custom-rules", POD, "--custom-rules", target, "-f", "json")
    assert "team-label" in scanned.stdout
    assert kubekeep("control", "test", target).returncode == 0


def test_pushed_artifact_has_one_layer(service: Service, rules: Path) -> None:
    digest = push(rules, service.reference("form"))
    manifest = json.loads(service.blob(digest).read_bytes())
    assert manifest["artifactType"] == "application/vnd.kubekeep.library.v1"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert [layer["mediaType"] for layer in manifest["layers"]] == ["application/vnd.kubekeep.library.v1.tar+gzip"]
    assert manifest["annotations"] == {
        "org.opencontainers.image.title": "form",
        "org.opencontainers.image.version": "1.0",
    }


def test_same_library_has_same_digest(service: Service, rules: Path, tmp_path: Path) -> None:
    first = push(rules, service.reference("same"))
    copy = tmp_path / "copy"
    shutil.copytree(rules, copy, copy_function=shutil.copy)
    (copy / "README.md").write_text("not part of a library")
    for file in copy.rglob("*"):
        os.utime(file, (1, 1))
    pulled = tmp_path / "pulled"
    assert pull(service.reference("same"), pulled).returncode == 0
    assert push(copy, service.reference("same")) == first == push(pulled, service.reference("same"))
    extend(copy / "workload" / "team-label" / "control.rego", "\n")
    assert push(copy, service.reference("same")) != first


def test_cosign_packages_verify_our_signature(service: Service, rules: Path, keys: Keys, other_keys: Keys) -> None:
    reference = service.reference("for-cosign")
    digest = push(rules, reference, "--key", keys[0])
    oracle: list[str | Path] = [program("signature"), "verify"]
    name = f"{reference.name}:1.0"
    result = subprocess.run([*oracle, keys[1], name], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == digest
    assert subprocess.run([*oracle, other_keys[1], name], capture_output=True, check=False).returncode == 1
    # A second key adds a signature; the first signature stays.
    assert push(rules, reference, "--key", other_keys[0]) == push(rules, reference, "--key", keys[0]) == digest
    for key in (keys[1], other_keys[1]):
        subprocess.run([*oracle, key, name], capture_output=True, check=True)
    assert len(json.loads(service.blob(find_signature(service, "for-cosign", digest)).read_bytes())["layers"]) == 2


def find_signature(service: Service, repository: str, digest: str) -> str:
    """Return the digest of the manifest with the signatures of `digest`."""
    folder = service.storage / "docker" / "registry" / "v2" / "repositories" / repository / "_manifests" / "tags"
    return (folder / f"{digest.replace(':', '-')}.sig" / "current" / "link").read_text()


@pytest.mark.skipif(shutil.which("cosign") is None, reason="not every distribution has cosign; its parts always test")
def test_cosign_verifies_our_signature(service: Service, rules: Path, keys: Keys, other_keys: Keys) -> None:
    reference = service.reference("for-cosign-itself")
    push(rules, reference, "--key", keys[0])
    for key, code in ((keys[1], 0), (other_keys[1], 1)):
        command: list[str | Path] = [
            "cosign",
            "verify",
            "--insecure-ignore-tlog=true",
            "--allow-insecure-registry",
            "--key",
            key,
        ]
        result = subprocess.run([*command, f"{reference.name}:1.0"], capture_output=True, check=False)
        assert min(result.returncode, 1) == code, result.stderr


def test_signature_by_cosign_packages_is_verified(service: Service, rules: Path, tmp_path: Path) -> None:
    reference = service.reference("by-cosign")
    push(rules, reference)
    subprocess.run([program("signature"), "keygen", tmp_path, ""], check=True)
    command: list[str | Path] = [program("signature"), "sign", tmp_path / "cosign.key", f"{reference.name}:1.0"]
    subprocess.run(command, check=True, capture_output=True)
    assert pull(reference, tmp_path / "pulled", "--key", tmp_path / "cosign.pub").returncode == 0


def test_encrypted_cosign_key_signs(service: Service, rules: Path, tmp_path: Path) -> None:
    reference = service.reference("encrypted-key")
    subprocess.run([program("signature"), "keygen", tmp_path, "hunter2"], check=True)
    push(rules, reference, "--key", tmp_path / "cosign.key", COSIGN_PASSWORD="hunter2")  # noqa: S106
    assert pull(reference, tmp_path / "pulled", "--key", tmp_path / "cosign.pub").returncode == 0
    command = ("library", "push", rules, reference, "--key", tmp_path / "cosign.key")
    wrong_password = kubekeep(*command, COSIGN_PASSWORD="hunter3")  # noqa: S106
    assert wrong_password.returncode == 2
    assert "wrong password for this key" in wrong_password.stderr
    assert "hunter" not in wrong_password.stderr
    without_password = kubekeep(*command)
    assert without_password.returncode == 2
    assert "set COSIGN_PASSWORD" in without_password.stderr


def test_unsigned_library_is_refused(service: Service, rules: Path, keys: Keys, tmp_path: Path) -> None:
    push(rules, service.reference("unsigned"))
    result = pull(service.reference("unsigned"), tmp_path / "pulled", "--key", keys[1])
    assert_refused(result, tmp_path / "pulled", "is not signed")


def test_signature_by_another_key(service: Service, rules: Path, keys: Keys, other_keys: Keys, tmp_path: Path) -> None:
    push(rules, service.reference("theirs"), "--key", other_keys[0])
    result = pull(service.reference("theirs"), tmp_path / "pulled", "--key", keys[1])
    assert_refused(result, tmp_path / "pulled", "is not signed with this key")


def test_signature_of_another_library(service: Service, rules: Path, keys: Keys, tmp_path: Path) -> None:
    """A valid signature moved to the signature tag of another library."""
    signed = push(rules, service.reference("moved"), "--key", keys[0])
    extend(rules / "workload" / "team-label" / "control.rego", "\n")
    unsigned = push(rules, service.reference("moved", "2.0"))
    reference = service.reference("moved")
    with OciRepository(reference, Keychain(Path("/nowhere")), plain_http=True) as repository:
        content = repository.get_manifest(f"{signed.replace(':', '-')}.sig")
        assert content is not None
        repository.put_manifest(f"{unsigned.replace(':', '-')}.sig", content)
    assert_refused(pull(service.reference("moved", "2.0"), tmp_path / "pulled", "--key", keys[1]), tmp_path / "pulled")
    assert pull(reference, tmp_path / "pulled", "--key", keys[1]).returncode == 0


def test_blob_changed_in_registry(service: Service, rules: Path, keys: Keys, tmp_path: Path) -> None:
    extend(rules / "workload" / "team-label" / "control.rego", "# of its own\n")
    digest = push(rules, service.reference("changed-blob"), "--key", keys[0])
    blob = service.blob(decode_manifest(service.blob(digest).read_bytes(), "").layers[0].digest)
    content = bytearray(blob.read_bytes())
    content[-9] ^= 1
    blob.write_bytes(content)
    result = pull(service.reference("changed-blob"), tmp_path / "pulled", "--key", keys[1])
    assert_refused(result, tmp_path / "pulled", "returned different content")
    blob.write_bytes(content + b"more")
    assert pull(service.reference("changed-blob"), tmp_path / "pulled").returncode == 1
    assert not (tmp_path / "pulled").exists()


def test_manifest_changed_in_registry(service: Service, rules: Path, keys: Keys, tmp_path: Path) -> None:
    digest = push(rules, service.reference("changed-manifest"), "--key", keys[0])
    file = service.blob(digest)
    file.write_bytes(file.read_bytes().replace(b'"1.0"', b'"6.6"'))
    target = tmp_path / "pulled"
    tagged = pull(service.reference("changed-manifest"), target, "--key", keys[1])
    assert_refused(tagged, target, "is not signed")
    pinned = pull(f"oci://{service.address}/changed-manifest@{digest}", target)
    assert_refused(pinned, target, "returned a different manifest")


def test_another_artifact_type(service: Service, rules: Path, keys: Keys, tmp_path: Path) -> None:
    digest = push(rules, service.reference("kinds"), "--key", keys[0])
    tag = f"{digest.replace(':', '-')}.sig"
    assert_refused(
        pull(service.reference("kinds", tag), tmp_path / "pulled"), tmp_path / "pulled", "not an artifact of type"
    )


def test_only_a_pulled_library_is_replaced(service: Service, rules: Path, tmp_path: Path) -> None:
    reference = service.reference("replaced")
    push(rules, reference)
    target = tmp_path / "pulled"
    target.mkdir()
    assert pull(reference, target).returncode == 0  # an empty folder may be replaced
    extend(rules / "workload" / "team-label" / "control.rego", "# newer\n")
    push(rules, reference)
    assert pull(reference, target).returncode == 0
    pulled = target / "controls" / "workload" / "team-label" / "control.rego"
    assert pulled.read_text().endswith("# newer\n")
    extend(pulled, "# mine\n")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "note.txt").write_text("mine")
    for folder in (target, mine, mine / "note.txt"):
        files_before = read_files(tmp_path)
        result = pull(reference, folder)
        assert result.returncode == 2
        assert "it was not replaced" in result.stderr
        assert read_files(tmp_path) == files_before


def test_invalid_library_is_not_pushed(service: Service, rules: Path, tmp_path: Path) -> None:
    reference = service.reference("broken")
    (tmp_path / "empty").mkdir()
    (rules / "workload" / "team-label" / "control.rego").write_text(
        "package kubekeep.controls.team_label\nviolation if"
    )
    for folder, words in ((rules, "control.rego"), (tmp_path / "empty", "no control"), (tmp_path / "no", "no such")):
        result = kubekeep("library", "push", folder, reference, "--plain-http")
        assert result.returncode == 2
        assert words in result.stderr
    result = pull(reference, tmp_path / "pulled")
    assert result.returncode == 3
    assert "broken 1.0 does not exist" in result.stderr


@pytest.mark.parametrize("name", ["lib/workload.rego", "frameworks/nsa.yaml"])
def test_library_replacing_builtin_files_is_not_pushed(name: str, service: Service, rules: Path) -> None:
    (rules / name).parent.mkdir()
    shutil.copy(ROOT / name, rules / name)
    result = kubekeep("library", "push", rules, service.reference("shadow"), "--plain-http")
    assert result.returncode == 2
    assert "the name is used by the built-in library" in result.stderr


def test_links_out_of_library_are_not_pushed(service: Service, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("apiVersion: v1\nkind: Pod\n")
    (rules / "workload" / "team-label" / "cases" / "pass.secret.yaml").symlink_to(tmp_path / "secret.yaml")
    result = kubekeep("library", "push", rules, service.reference("links"), "--plain-http")
    assert result.returncode == 2
    assert "link to a path outside" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("push", "rules", "registry/name:1"), 2, "use oci://"),
        (("push", "rules", "oci://registry/name"), 2, "push to a tag"),
        (("pull", "oci://registry/../name", "pulled"), 2, "use oci://"),
        (("pull", "oci://registry/name", "none/pulled"), 2, "no such folder"),
        (("pull", "oci://registry/name", "pulled", "--key", "rules/workload/team-label/control.rego"), 2, "public key"),
        (("push", "rules", "oci://registry/name:1", "--key", "rules/workload/team-label/control.rego"), 2, "private"),
        (("pull", "oci://127.0.0.1:1/name", "pulled"), 3, "cannot be reached"),
    ],
)
def test_usage_errors(
    arguments: tuple[str, ...], code: int, words: str, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rules.parent)
    result = kubekeep("library", *arguments)
    assert result.returncode == code
    assert words in " ".join(result.stderr.split())


def test_without_extra(rules: Path) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None; from kubekeep.cli.main import main\n"
        f"main(['library', *{['push', str(rules), 'oci://registry/name:1']!r}])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'kubekeep[oci]'" in result.stderr
    help_text = subprocess.run([sys.executable, "-c", code.replace("'push'", "'--help'")], check=False)
    assert help_text.returncode == 0
