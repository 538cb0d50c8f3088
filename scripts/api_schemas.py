"""Write the compact schemas of the built-in Kubernetes API from the OpenAPI documents in Kubernetes' Go modules.

Downloads one module per minor version with the program `go`; run it for a new Kubernetes release. Writes
`src/kubekeep/sources/kubernetes_api/schemas.json`, nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src" / "kubekeep" / "sources" / "kubernetes_api" / "schemas.json"
MODULE = "k8s.io/kubernetes"
OLDEST, NEWEST = 16, 37
"""Minor versions: from the first with today's kinds of workloads to the newest release."""
LEAF = -1
"""Type of a field without known fields below it."""
ANY_VALUE = "*"
SHAPES = {"string": "s", "integer": "i", "number": "n", "boolean": "b", "object": "o"}
"""Shapes of values; `[` and `{` before one stand for a list and a map of it."""
SPECIAL_SHAPES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "q",
}
"""Shapes of types that read texts and numbers."""


class SchemaTable:
    """Types and kinds of all versions, each field and kind with its first and last minor version."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.types: list[dict[str, list[int]]] = []
        self.kinds: dict[str, dict[str, list[int]]] = {}
        self.shapes: list[dict[str, str]] = []

    def add(self, minor: int, definitions: Mapping[str, Any]) -> None:
        """Add the definitions of one OpenAPI document."""
        for name, definition in definitions.items():
            for kind in definition.get("x-kubernetes-group-version-kind", ()):
                # Options of requests and watch events belong to every group; they are no objects.
                if "metadata" not in definition.get("properties", {}):
                    continue
                version = "/".join(filter(None, (kind["group"], kind["version"])))
                record(self.kinds.setdefault(version, {}), kind["kind"], self.number(name, definitions), minor)
        for name in list(definitions):
            if name in self.numbers:
                fields = self.types[self.numbers[name]]
                for field, schema in definitions[name].get("properties", {}).items():
                    record(fields, field, self.reference(name, field, schema, definitions), minor)
                    record_shape(self.shapes[self.numbers[name]], field, find_shape(schema, definitions))

    def number(self, name: str, definitions: Mapping[str, Any]) -> int:
        """Return the number of a type, LEAF if it has no fields; number the types of its fields, too."""
        if name in self.numbers:
            return self.numbers[name]
        properties = definitions[name].get("properties")
        if not properties:
            return LEAF
        number = self.numbers[name] = len(self.types)
        self.types.append({})
        self.shapes.append({})
        for field, schema in properties.items():
            self.reference(name, field, schema, definitions)
        return number

    def reference(self, owner: str, field: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> int:
        """Return the type of a field; a list has the type of its elements, a map a type with the one field `*`."""
        if "$ref" in schema:
            return self.number(schema["$ref"].removeprefix("#/definitions/"), definitions)
        if "items" in schema:
            return self.reference(owner, field, schema["items"], definitions)
        values = schema.get("additionalProperties")
        if not isinstance(values, Mapping):
            return LEAF
        of_values = self.reference(owner, f"{field}.*", values, definitions)
        if of_values == LEAF:
            return LEAF
        name = f"{owner}.{field}.*"
        if name not in self.numbers:
            self.numbers[name] = len(self.types)
            self.types.append({"*": [of_values, OLDEST, NEWEST]})
            self.shapes.append({"*": find_shape(values, definitions)})
        return self.numbers[name]


def find_shape(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the shape of the values of a field, as JSON has them."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        return SPECIAL_SHAPES.get(name) or find_shape(definitions[name], definitions)
    if schema.get("type") == "array":
        return f"[{find_shape(schema['items'], definitions)}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"{{{find_shape(schema['additionalProperties'], definitions)}"
    # A definition has no type if it has a format only, or if it is any JSON.
    return "o" if "properties" in schema else SHAPES.get(schema.get("type", ""), ANY_VALUE)


def record_shape(shapes: dict[str, str], field: str, shape: str) -> None:
    """Record the shape of a field; one that differs between versions allows any value."""
    shapes[field] = shape if shapes.get(field, shape) == shape else ANY_VALUE


def record(entries: dict[str, list[int]], name: str, type_number: int, minor: int) -> None:
    """Record that a field or kind exists in a minor version."""
    entry = entries.setdefault(name, [type_number, minor, minor])
    # A newer type has the fields of the one it replaces.
    entry[0] = entry[0] if type_number == LEAF else type_number
    entry[2] = minor


def read_definitions() -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the OpenAPI definitions of each minor version."""
    for minor in range(OLDEST, NEWEST + 1):
        print(f"Kubernetes 1.{minor}", file=sys.stderr)
        command = ["go", "mod", "download", "-json", f"{MODULE}@v1.{minor}.0"]
        module = json.loads(subprocess.run(command, check=True, capture_output=True, cwd="/").stdout)
        with zipfile.ZipFile(module["Zip"]) as archive:
            document = archive.read(f"{MODULE}@v1.{minor}.0/api/openapi-spec/swagger.json")
        yield minor, json.loads(document)["definitions"]


def main() -> None:
    """Write the schemas."""
    table = SchemaTable()
    for minor, definitions in read_definitions():
        table.add(minor, definitions)
    types = [
        {field: [*entry, shapes[field]] for field, entry in fields.items()}
        for fields, shapes in zip(table.types, table.shapes, strict=True)
    ]
    document = {"oldest": OLDEST, "newest": NEWEST, "kinds": table.kinds, "types": types}
    lines = json.dumps(document, separators=(",", ":"), sort_keys=True)
    TARGET.write_text(lines.replace("},{", "},\n{") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
