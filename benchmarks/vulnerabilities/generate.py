"""Write generated advisories and an SBOM: `generate.py FOLDER`.

FOLDER/advisories.zip has OSV records of 2 to 4 KB with unique package names; FOLDER/sbom.cdx.json has 500
packages, of which 2 % have a vulnerable version. The same numbers give the same bytes. Uses no network.
"""

from __future__ import annotations

import argparse
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

RECORDS = 300_000
PACKAGES = 500
HIT_RATE = 0.02
ECOSYSTEM = "PyPI"
_WORDS = (  # noqa: SIM905 - a list of strings is hard to read
    "a an the in of to and is by with for on from that which when can may allows attacker attackers remote local user "
    "users vulnerability issue flaw affected versions version prior before fixed patched upgrade workaround impact server "
    "client request requests response header headers parser parsing input validation improper missing insufficient memory "
    "heap stack buffer overflow read write bounds free use after null pointer dereference denial service crash execution "
    "arbitrary code command injection script scripting cross site stored reflected template path traversal directory file "
    "files archive symlink upload download token session cookie authentication authorization bypass privilege escalation "
    "permission default configuration secret key certificate signature verification digest cipher padding timing side "
    "channel deserialization object prototype pollution regular expression backtracking quadratic complexity integer "
    "recursion depth limit unbounded allocation resource exhaustion thread race condition lock database query sql "
    "application framework library package module function method parameter argument crafted malicious specially"
).split()
_PARTS = (  # noqa: SIM905
    "alpha array async atlas audio batch blob cache chart cloud codec core crypt data delta edge event fast flow form "
    "graph grid hash http image index json kernel lib link log map mesh meta micro model net node open parse pipe pixel "
    "proxy query queue rapid rest route rule safe schema shell signal simple smart socket sql state store stream sync "
    "table task text time token tool tree type util vault vector view web wire xml yaml zip"
).split()


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=RECORDS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(options.folder / "advisories.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for record in generate_records(options.records):
            archive.writestr(zipfile.ZipInfo(f"{record['id']}.json"), msgspec.json.encode(record), zipfile.ZIP_DEFLATED)
    (options.folder / "sbom.cdx.json").write_bytes(msgspec.json.encode(generate_sbom(options.records)))


def generate_records(count: int) -> Iterator[dict[str, Any]]:
    """Yield records with unique ids and package names."""
    for number in range(count):
        chance = random.Random(number)
        year = 2010 + number % 16
        yield {
            "schema_version": "1.7.0",
            "id": f"GEN-{year}-{number:06}",
            "modified": f"{year}-0{1 + number % 9}-1{number % 10}T0{number % 10}:1{number % 7}:22.{number:06}Z",
            "published": f"{year}-01-02T03:04:05Z",
            "aliases": [f"CVE-{year}-{number + 10_000}"],
            "summary": _write_text(chance, 80),
            "details": _write_text(chance, chance.randint(1_400, 3_400)),
            "severity": [{"type": "CVSS_V3", "score": _write_vector(chance)}],
            "affected": [
                {
                    "package": {
                        "ecosystem": ECOSYSTEM,
                        "name": get_name(number),
                        "purl": f"pkg:pypi/{get_name(number)}",
                    },
                    "ranges": [
                        {
                            "type": "ECOSYSTEM",
                            "events": [{"introduced": "0"}, {"fixed": f"{1 + number % 9}.{number % 20}.{number % 7}"}],
                        }
                    ],
                }
            ],
            "references": [
                {"type": "WEB", "url": f"https://example.com/{get_name(number)}/commit/{chance.getrandbits(160):040x}"}
                for _ in range(3)
            ],
        }


def generate_sbom(records: int) -> dict[str, Any]:
    """Return a CycloneDX document; each package with a hit has a version before the first fix."""
    hits = {*range(0, PACKAGES, round(1 / HIT_RATE))}
    components = []
    for number in range(PACKAGES):
        name = (
            get_name(number * 7 % records) if number in hits else f"unaffected-{_PARTS[number % len(_PARTS)]}-{number}"
        )
        components.append(
            {"type": "library", "name": name, "version": "0.1.0", "purl": f"pkg:pypi/{name}@0.1.0", "bom-ref": name}
        )
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def get_name(number: int) -> str:
    """Return the unique name of a package."""
    first, second = _PARTS[number % len(_PARTS)], _PARTS[number // len(_PARTS) % len(_PARTS)]
    return f"{first}-{second}-{number:06x}"


def _write_text(chance: random.Random, length: int) -> str:
    words: list[str] = []
    size = 0
    while size < length:
        # A small index is more probable, as in texts.
        word = _WORDS[int(len(_WORDS) * chance.random() ** 1.5)]
        if chance.random() < 0.05:
            word = f"{chance.choice(_PARTS)}_{chance.choice(_PARTS)}.{chance.getrandbits(24):x}()"
        words.append(word)
        size += len(word) + 1
    return " ".join(words)


def _write_vector(chance: random.Random) -> str:
    letters = ("NALP", "LH", "NLH", "NR", "UC", "NLH", "NLH", "NLH")
    names = ("AV", "AC", "PR", "UI", "S", "C", "I", "A")
    metrics = "/".join(f"{name}:{chance.choice(values)}" for name, values in zip(names, letters, strict=True))
    return f"CVSS:3.1/{metrics}"


if __name__ == "__main__":
    main()
