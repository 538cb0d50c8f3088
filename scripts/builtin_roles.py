"""Update the roles that every cluster has from a source tree of Kubernetes: `builtin_roles.py FOLDER`.

Reads the policies that Kubernetes tests its own code against, in
`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata`. Writes `src/kubekeep/posture/builtin_roles.json`, nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from kubekeep._native import YamlDocuments

TARGET = Path(__file__).parent.parent / "src" / "kubekeep" / "posture" / "builtin_roles.json"
POLICIES = Path("plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata")
FILES = ("cluster-roles.yaml", "controller-roles.yaml", "namespace-roles.yaml")


def main(folder: Path) -> None:
    """Write one role a line."""
    roles = []
    for file in FILES:
        text = (folder / POLICIES / file).read_text(encoding="utf-8")
        for document in YamlDocuments(text, 100, 100_000, 1, 1_000_000):
            if document is None or len(document) != 3:
                raise SystemExit(f"{file}: {document}")
            roles += [reduce_role(role) for role in document[0]["items"]]
    lines = ",\n".join(json.dumps(role, separators=(",", ":")) for role in roles)
    TARGET.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def reduce_role(role: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a role that authorization and aggregation read."""
    metadata = {key: role["metadata"][key] for key in ("name", "namespace", "labels") if key in role["metadata"]}
    return {
        "kind": role["kind"],
        "metadata": metadata,
        **{key: role[key] for key in ("aggregationRule", "rules") if role.get(key)},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
