"""Validation of SBOMs by the official JSON schemas of CycloneDX and the validator of the SPDX project."""

from __future__ import annotations

import functools
import io
import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_python_model import v3_0_1 as spdx3
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.parser.tagvalue.parser import Parser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

_VERSIONS = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}


@functools.cache
def _validator(version: str) -> JsonStrictValidator:
    return JsonStrictValidator(_VERSIONS[version])


def check_cyclonedx(content: bytes, version: str) -> None:
    """Validate by the schema of the version, and check that all references exist and are unique."""
    error = _validator(version).validate_str(content.decode())
    assert error is None, error
    document = json.loads(content)
    references = [document["metadata"]["component"]["bom-ref"], *(entry["bom-ref"] for entry in document["components"])]
    assert len(references) == len(set(references))
    for dependency in document["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= set(references)
    for composition in document["compositions"]:
        assert set(composition["assemblies"]) <= set(references)


def check_spdx_json(content: bytes) -> None:
    """Parse and validate by the library of the SPDX project."""
    document = JsonLikeDictParser().parse(json.loads(content))  # type: ignore[no-untyped-call]
    assert [message.validation_message for message in validate_full_spdx_document(document)] == []


def check_spdx3(content: bytes) -> None:
    """Read by the model of the SPDX project, which checks types and cardinalities, and write every element again."""
    objects = spdx3.SHACLObjectSet()
    spdx3.JSONLDDeserializer().read(io.BytesIO(content), objects)
    assert not objects.link()
    spdx3.JSONLDSerializer().write(objects, io.BytesIO())
    assert len(list(objects.foreach_type(spdx3.SpdxDocument))) == 1
    elements = json.loads(content)["@graph"]
    references = [element.get("spdxId") or element["@id"] for element in elements]
    assert len(references) == len(set(references))


def check_spdx_tag_value(content: bytes) -> None:
    """Parse and validate by the library of the SPDX project."""
    # Without tables in the folder of the library.
    document = Parser(debug=False, write_tables=False).parse(content.decode())  # type: ignore[no-untyped-call]
    assert [message.validation_message for message in validate_full_spdx_document(document)] == []
