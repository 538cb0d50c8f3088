"""The two stages in which CI runs the tests: the quick one answers within minutes, the slow one runs all other tests.

Each test file belongs to one stage. New files in quick folders are quick; those in other folders are slow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

QUICK: Final = "quick"
SLOW: Final = "slow"
STAGES: Final = (QUICK, SLOW)
TESTS: Final = Path(__file__).parent
QUICK_FOLDERS: Final = frozenset(
    {
        "admission",
        "api",
        "attackpaths",
        "baseline",
        "cli",
        "config",
        "ecosystems",
        "engine",
        "exceptions",
        "kube",
        "library",
        "model",
        "posture",
        "privacy",
        "sinks",
        "vulnerabilities",
    }
)
SLOW_FILES: Final = frozenset(
    {
        # Tests that build an API server or a program of another project, which takes minutes once.
        "admission/test_evaluate_oracle.py",
        "cli/test_kubescape.py",
        "cli/test_first_screen.py",
        "cli/test_paths.py",
        "cli/test_scan_cluster.py",
        "cli/test_watch.py",
        "config/test_chart_values.py",
        "kube/test_access.py",
        "kube/test_faults.py",
        "kube/test_proxy.py",
        "kube/test_watching.py",
        "library/test_api_defaults.py",
        "library/test_fixes.py",
        "library/test_pod_security.py",
        "library/test_pod_security_admission.py",
        "library/test_rbac_oracle.py",
        "vulnerabilities/database/test_trivy.py",
        # Tests that take more than ten seconds together.
        "attackpaths/test_search.py",
        "cli/test_fix.py",
        "cli/test_hostile_rules.py",
        "engine/test_isolation.py",
        "library/test_byte_code.py",
        "library/test_absences.py",
        "library/test_corpora.py",
        "library/test_mistyped_documents.py",
        "library/test_scores.py",
        "posture/test_incremental.py",
        "privacy/test_pseudonymise.py",
    }
)


def find_stage(file: Path) -> str:
    """Return the stage of a test file."""
    name = file.relative_to(TESTS)
    return QUICK if name.parts[0] in QUICK_FOLDERS and name.as_posix() not in SLOW_FILES else SLOW
