"""R packages: `DESCRIPTION` files in libraries, and in folders `renv.lock`. Base packages count as R itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_json
from kubekeep.images.catalog.language_licences import read_licence
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/*library/*/DESCRIPTION",)
FOLDER_PATTERNS: Final = ("**/renv.lock",)
MAXIMUM_DESCRIPTION: Final = 1024 * 1024
FIELD: Final = rb"(?m)^(Package|Version|Built|Priority|License|Repository|biocViews|Maintainer):[ \t]*(.*)$"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the package of a `DESCRIPTION` file, or the packages of a lock file."""
    if file.path.endswith(".lock"):
        return build_record(file, "r", _list_locked(as_mapping(read_json(read_content(file)))))
    matches = re.findall(FIELD, file.content[:MAXIMUM_DESCRIPTION])
    fields = {key.decode(): value.decode("utf-8", "replace").strip() for key, value in matches}
    name, version = fields.get("Package", ""), fields.get("Version", "")
    # Only installation writes Built; sources of packages have none.
    if "Built" not in fields or not is_name(name) or not is_plain(version):
        return None
    if fields.get("Priority") == "base":
        runtime = Package(type="generic", name="r", version=version, evidence="DESCRIPTION of base")
        return build_record(file, "r", [runtime] if name == "base" else [])
    licence = fields.get("License", "").partition(" | ")[0].removesuffix(" + file LICENSE")
    supplier = fields.get("Maintainer", "")
    package = Package(
        type="bioconductor" if "biocViews" in fields else "cran",
        name=name,
        version=version,
        licences=(read_licence(licence),) if licence.isprintable() and licence else (),
        supplier=supplier if supplier.isprintable() else "",
        evidence="DESCRIPTION",
    )
    return build_record(file, "r", [package])


def _list_locked(document: dict[str, Any]) -> Iterator[Package]:
    for value in as_mapping(document.get("Packages")).values():
        entry = as_mapping(value)
        name, version = as_text(entry.get("Package")), as_text(entry.get("Version"))
        if is_name(name) and is_plain(version):
            kind = "bioconductor" if entry.get("Source") == "Bioconductor" else "cran"
            yield Package(type=kind, name=name, version=version, evidence="renv.lock", declared=True)
