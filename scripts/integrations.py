"""Copy the scan script of the integrations into the templates of the CI systems, which cannot refer to a second file.

With --check, changes no file and exits 1 if a copy differs.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent.parent / "integrations"
SCRIPT: Final = FOLDER / "scan.sh"
TEMPLATES: Final = (
    "gitlab/templates/scan.yml",
    "circleci/orb.yml",
    "azure/scan.yml",
    "bitbucket/bitbucket-pipelines.yml",
    "jenkins/resources/kubekeep/scan.sh",
)
COPY: Final = re.compile(r'^( *)# Install Kubekeep if.*?^ *exit "\$code"$', re.MULTILINE | re.DOTALL)


def embed(template: str, script: str) -> str:
    """Return the template with the present script in place of its copy, with the same indentation. Raises ValueError without a copy."""
    text, count = COPY.subn(lambda match: textwrap.indent(script.strip(), match[1]), template, count=1)
    if not count:
        raise ValueError("no copy of the script")
    return text


def main(arguments: list[str]) -> int:
    """Update or check all copies, and return the exit code."""
    script = SCRIPT.read_text(encoding="utf-8")
    stale = []
    for name in TEMPLATES:
        path = FOLDER / name
        text = path.read_text(encoding="utf-8")
        try:
            current = embed(text, script)
        except ValueError as error:
            print(f'integrations/{name}: {error}, from `# Install Kubekeep if` to `exit "$code"`', file=sys.stderr)
            return 1
        if current == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(current, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"run scripts/integrations.py: stale copies in {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
