"""Comparison of packages with advisories: `match_packages` and `explain_match`. Never reads a database or an image itself.

Rules, with their cases in docs/decisions/0035-matching.md:

1. Each package is either compared or listed as not assessed with a reason. A package without data is never reported as
   free of vulnerabilities.
2. Advisories of the release of the package count, and those without a release. A record for another release, module
   stream or architecture never applies.
3. Of several versions of a record the newest counts. A withdrawn record never applies from its day on, and does not
   join other records.
4. `aliases` join records, symmetrically and transitively, and so does a single CVE in `upstream`; `related` never does.
   Records that do not apply join others too, unless they are withdrawn.
5. One record that applies is enough. Records about the same flaw that exclude the version are named in notes and hide
   nothing. Only the absence of the vulnerable Go code suppresses, visibly, as `not_affected`.
6. The fixed version is above the installed one and in no range of a joined record that has a fix or an end.
7. A version that cannot be compared with a record is a gap for that record, not a match and not an exclusion.
8. The order of packages and records has no effect.

Example: `pkg:npm/a@1.0.0`, and three records of npm.

    GHSA-1         a < 2.0.0    aliases CVE-2024-1000
    CVE-2024-1000  a < 1.5.0
    X-1            a < 0.9.0    aliases GHSA-1

    match    a queries npm: three records; GHSA-1 and CVE-2024-1000 contain 1.0.0, X-1 does not
    aliases  one group; its id is the only CVE
    merge    fixes 1.5.0 and 2.0.0: GHSA-1 still contains 1.5.0, so the fixed version is 2.0.0
    result   CVE-2024-1000 in a 1.0.0, fixed in 2.0.0, with the note
             "X-1 disagrees: 1.0.0 is not in the affected range: introduced 0, fixed 0.9.0"

`pkg:pypi/b@1.0` in the same scan: not assessed, incomplete, "the database has no advisories for PyPI: ...".
"""

from kubekeep.vulnerabilities.matching.explain import explain_match
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.matching.match import match_packages

__all__ = ["UsedSymbols", "explain_match", "match_packages"]
