"""No number of vulnerabilities without the number of the packages that were not assessed, in every format of reports."""

from __future__ import annotations

from pathlib import Path

import pypdf
import pytest
from tests.cli.test_unassessed_packages import write_sbom
from tests.cli.test_vulnerabilities import kubekeep, write_osv

from kubekeep.reports import formats

PACKAGES = [
    {"name": name, "version": "1.0.0", "purl": f"pkg:{kind}/{name}@1.0.0"}
    for kind, names in (("npm", "ab"), ("gem", "cd"))
    for name in names
]
ECOSYSTEMS = {0: (), 2: ("npm",), 4: ("npm", "RubyGems")}
"""Ecosystems with advisories, by the number of packages that are then assessed."""

WITHOUT_ECOSYSTEM = {"prometheus": 'kubekeep_unassessed_packages{{image="app"}} {}'}
"""Formats that have only the number of all packages."""


def read(report: Path) -> str:
    """Return the text of a report."""
    if report.suffix != ".pdf":
        return report.read_text()
    return " ".join(page.extract_text() for page in pypdf.PdfReader(report).pages)


@pytest.mark.parametrize("assessed", ECOSYSTEMS)
@pytest.mark.parametrize("name", sorted(formats().keys() - {"submission"}))
def test_number_of_packages_that_were_not_assessed(name: str, assessed: int, tmp_path: Path) -> None:
    (tmp_path / "osv").mkdir()
    for ecosystem in ECOSYSTEMS[assessed]:
        package = "a" if ecosystem == "npm" else "other"
        write_osv(
            tmp_path / "osv" / f"{ecosystem}.json", package, ecosystem=ecosystem, record_id=f"CVE-2024-{len(package)}"
        )
    # The folder must not be empty.
    write_osv(tmp_path / "osv" / "go.json", "example.com/a", ecosystem="Go", record_id="CVE-2024-9")
    write_sbom(tmp_path / "app.cdx.json", *PACKAGES)
    options = ("--advisories", "osv", "-f", name, "-o", "report")
    kubekeep("sbom", "scan", "app.cdx.json", *options, folder=tmp_path, code=0 if assessed == 4 else 3)
    (report,) = (path for path in tmp_path.glob("report*") if path.is_file())
    text = " ".join(read(report).split())
    for ecosystem in set(ECOSYSTEMS[4]) - set(ECOSYSTEMS[assessed]):
        counts = (f"2 {ecosystem} packages not assessed", f"2 packages not assessed ({ecosystem})", f"2 {ecosystem}: ")
        assert name in WITHOUT_ECOSYSTEM or any(count in text for count in counts), text[:3000]
    if name in WITHOUT_ECOSYSTEM and assessed < 4:
        assert WITHOUT_ECOSYSTEM[name].format(4 - assessed) in text
    if assessed == 4:
        assert "not assessed" not in text
