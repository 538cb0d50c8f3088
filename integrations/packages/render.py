"""Manifests of package managers, and the installation script, with the version and the digests of a release's files.

Usage: render.py VERSION --output FOLDER [--signers FILE] [--url URL] FILE...
FILEs are the archives of all platforms. --signers names the public keys that install.sh gets, in the format of ssh-keygen's
allowed signers; without it install.sh is not written. Fails if an archive is missing. Uses no network.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
RELEASE: Final = "https://github.com/kubekeep/kubekeep/releases/download/v@VERSION@"
VERSION: Final = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
DIGEST: Final = re.compile(r"@(SHA256|SHA256_UPPER):([^@]+)@")


def main(arguments: list[str] | None = None) -> None:
    """Write all manifests below the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("version")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--signers", type=Path)
    parser.add_argument("--url", default=RELEASE)
    options = parser.parse_args(arguments)
    if VERSION.fullmatch(options.version) is None:
        parser.error(f"{options.version} is not a version")
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in options.files}
    templates = HERE / "templates"
    for template in sorted(path for path in templates.rglob("*") if path.is_file()):
        target = options.output / template.relative_to(templates)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            text = render(template.read_text(encoding="utf-8"), options.version, options.url, digests)
        except LookupError as error:
            parser.error(f"{template.name} requires the file {error.args[0]}")
        target.write_text(text, encoding="utf-8")
    if options.signers is not None:
        script = (HERE / "install.sh").read_text(encoding="utf-8")
        (options.output / "install.sh").write_text(embed_signers(script, options.signers), encoding="utf-8")


def render(template: str, version: str, url: str, digests: Mapping[str, str]) -> str:
    """Return the text of a template. Raises LookupError with the name of a missing file."""

    def replace(match: re.Match[str]) -> str:
        digest = digests[match[2]]
        return digest.upper() if match[1] == "SHA256_UPPER" else digest

    text = template.replace("@URL@", url).replace("@VERSION@", version)
    return DIGEST.sub(replace, text)


def embed_signers(script: str, signers: Path) -> str:
    """Return the installation script with the public keys. Raises ValueError for text that is no key."""
    lines = [line for line in signers.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    if not lines or not all(
        re.fullmatch(r'[\w.@-]+ (namespaces="[\w,-]+" )?[\w.@-]+ [\w+/=]+( [\w .@-]*)?', line) for line in lines
    ):
        raise ValueError(f"{signers}: not a file of allowed signers")
    return script.replace("'@SIGNERS@'", "'" + "\n".join(lines) + "'")


if __name__ == "__main__":
    main()
