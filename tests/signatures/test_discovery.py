"""Discovery against real registries, with a relay for what they do not do: pages, errors and wrong lists."""

from __future__ import annotations

import http.server
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureReport
from kubekeep.usecases.image_signatures import verify_image
from tests.images.relay import reply, run_relay
from tests.signatures.authority import to_pem
from tests.signatures.making import BUNDLE, key_bundle, statement
from tests.signatures.registries import INDEX, MANIFEST, SignedRepository
from tests.signatures.test_layouts import _KEYS

Create = Callable[..., SignedRepository]
Handler = http.server.BaseHTTPRequestHandler


@pytest.fixture
def image(create_image: Create) -> SignedRepository:
    return create_image("plain_registry")


class SignedImage:
    """An image with referrers that a relay lists."""

    def __init__(self, image: SignedRepository, count: int) -> None:
        self.image, self.key = image, _KEYS["P-256"]()
        bundles = [json.dumps(key_bundle(self.key, statement(image.digest))).encode() for _ in range(count)]
        self.entries = [self._put(bundle) for bundle in bundles]

    def _put(self, bundle: bytes) -> dict[str, Any]:
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.image.put_blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self.image.put_blob(bundle, BUNDLE)],
        }
        descriptor: dict[str, Any] = msgspec.to_builtins(self.image.put(document))
        return descriptor | {"artifactType": BUNDLE}

    def verify(self, answer: Callable[[Handler], bool]) -> SignatureReport:
        with run_relay(self.image.address) as relay:
            relay.hook = lambda handler: "/referrers/" in handler.path and answer(handler)
            name = f"{relay.address}/{self.image.name}:1"
            trust = Trust(keys=(load_public_key(to_pem(self.key)),))
            return verify_image(name, SignatureAccess(images=AccessOptions(patience=0)), trust)


def index_of(entries: list[dict[str, Any]]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def test_pages(image: SignedRepository) -> None:
    signed = SignedImage(image, 3)

    def answer(handler: Handler) -> bool:
        number = int(handler.path.partition("last=")[2] or 0)
        link = f'<{handler.path.partition("?")[0]}?last={number + 1}>; rel="next"'
        return reply(
            handler, 200, index_of(signed.entries[number : number + 1]), **({"Link": link} if number < 2 else {})
        )

    assert len(signed.verify(answer).verified) == 3


def test_endless_pages(image: SignedRepository) -> None:
    signed = SignedImage(image, 1)

    def answer(handler: Handler) -> bool:
        return reply(handler, 200, index_of(signed.entries), Link=f'<{handler.path}>; rel="next"')

    with pytest.raises(ImageAccessError, match="more than 64 pages"):
        signed.verify(answer)


def test_page_of_another_server(image: SignedRepository) -> None:
    signed = SignedImage(image, 1)

    def answer(handler: Handler) -> bool:
        return reply(handler, 200, index_of(signed.entries), Link='<http://127.0.0.1:9/v2/x>; rel="next"')

    with pytest.raises(ImageAccessError, match=r"continues a list of referrers at 127\.0\.0\.1"):
        signed.verify(answer)


def test_list_of_many_types(image: SignedRepository) -> None:
    """Skip artifacts of other types, and look into those whose descriptor does not name the type."""
    signed = SignedImage(image, 2)
    missing = {"mediaType": MANIFEST, "digest": "sha256:" + "0" * 64, "size": 1}
    others = [{**missing, "artifactType": "application/vnd.cncf.helm.chart"}] * 500
    signed.entries[0]["artifactType"] = "application/vnd.oci.empty.v1+json"
    del signed.entries[1]["artifactType"]
    report = signed.verify(lambda handler: reply(handler, 200, index_of([*others, missing, *signed.entries])))
    assert len(report.verified) == 2
    assert report.problems == ()


def test_too_many_artifacts(image: SignedRepository) -> None:
    signed = SignedImage(image, 1)
    entries = [{**signed.entries[0], "digest": f"sha256:{number:064x}"} for number in range(200)]
    with pytest.raises(ImageAccessError, match="more than 128 attached artifacts"):
        signed.verify(lambda handler: reply(handler, 200, index_of(entries)))


def test_other_content_for_a_digest(image: SignedRepository) -> None:
    """Report an artifact with other content, and use the rest."""
    signed = SignedImage(image, 2)

    def answer(handler: Handler) -> bool:
        if "/referrers/" in handler.path:
            return reply(handler, 200, index_of(signed.entries))
        return handler.path.endswith(signed.entries[0]["digest"]) and reply(handler, 200, b"{}")

    with run_relay(image.address) as relay:
        relay.hook = answer
        trust = Trust(keys=(load_public_key(to_pem(signed.key)),))
        name = f"{relay.address}/{image.name}:1"
        report = verify_image(name, SignatureAccess(images=AccessOptions()), trust)
    assert len(report.verified) == 1
    assert "returned a different manifest" in report.problems[0].reason


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_registry_without_referrers(image: SignedRepository, status: int) -> None:
    report = SignedImage(image, 1).verify(lambda handler: reply(handler, status, b""))
    assert (report.verified, report.problems) == ((), ())


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_failing_registry(image: SignedRepository, status: int) -> None:
    """A registry that fails is an error: the absence of signatures is not known then."""
    with pytest.raises(ImageAccessError, match=str(status)):
        SignedImage(image, 1).verify(lambda handler: reply(handler, status, b""))


@pytest.mark.parametrize("content", [b"", b"[]", b"{" * 10_000, b'{"manifests": [{"digest": "x"}]}'])
def test_invalid_list(image: SignedRepository, content: bytes) -> None:
    with pytest.raises(ImageAccessError, match="not a valid index"):
        SignedImage(image, 1).verify(lambda handler: reply(handler, 200, content))


@pytest.mark.parametrize("reference", ["oci:.", "docker-daemon:app:1", "dir:."])
def test_image_that_is_in_no_registry(image: SignedRepository, reference: str) -> None:
    trust = Trust(keys=(load_public_key(to_pem(_KEYS["P-256"]())),))
    with pytest.raises(ImageAccessError, match="signatures are kept in registries"):
        verify_image(reference, SignatureAccess(images=AccessOptions()), trust)
    missing = f"{image.address}/{image.name}:none"
    with pytest.raises(ImageAccessError, match="has no team/"):
        verify_image(missing, SignatureAccess(images=AccessOptions()), trust)


def test_signature_of_the_notary_project(image: SignedRepository) -> None:
    """Report a signature of another system: the image is not unsigned."""
    notation = "application/vnd.cncf.notary.signature"
    image.put_referrer(b"{}", notation)
    index = json.loads(image.client.get_manifest(image.digest.replace(":", "-"), INDEX) or b"")
    index["manifests"][0]["artifactType"] = notation
    image.put(index, image.digest.replace(":", "-"))
    trust = Trust(keys=(load_public_key(to_pem(_KEYS["P-256"]())),))
    (problem,) = verify_image(image.reference, SignatureAccess(images=AccessOptions()), trust).problems
    assert "Notary Project" in problem.reason
