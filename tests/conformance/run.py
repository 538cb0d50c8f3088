"""Run the conformance suite on all cores. A worker that crashes does not end the run.

python -m tests.conformance.run            count cases by agreement
python -m tests.conformance.run WRONG re   list the cases of one kind that match a pattern
python -m tests.conformance.run --write    write the reference page and the baseline
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from tests.conformance import page
from tests.conformance.comparison import Agreement, CaseResult, compare
from tests.conformance.suite import Case, directory, load

#: Time limit of a bundle of cases in seconds.
TIME_LIMIT = 120
BUNDLE = 50


def run(cases: Sequence[Case]) -> list[CaseResult]:
    """Compare all cases, in their order."""
    bundles = [cases[start : start + BUNDLE] for start in range(0, len(cases), BUNDLE)]
    results: list[CaseResult] = []
    with _pool(os.cpu_count() or 1) as pool:
        pending = [(bundle, pool.submit(_compare_all, bundle)) for bundle in bundles]
        for bundle, future in pending:
            results.extend(_outcome(bundle, future))
    return results


def _compare_all(cases: Iterable[Case]) -> list[CaseResult]:
    return [compare(case) for case in cases]


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn"))


def _outcome(bundle: Sequence[Case], future: "Future[list[CaseResult]]") -> list[CaseResult]:
    try:
        return future.result(timeout=TIME_LIMIT)
    except (BrokenProcessPool, TimeoutError):
        return [_compare_alone(case) for case in bundle]


def _compare_alone(case: Case) -> CaseResult:
    """Compare one case of a crashed bundle in a process of its own, to identify the crash."""
    with _pool(1) as pool:
        try:
            return pool.submit(compare, case).result(timeout=TIME_LIMIT)
        except (BrokenProcessPool, TimeoutError) as error:
            return CaseResult(case.version, case.folder, case.note, Agreement.CRASH, repr(error))


def main(arguments: Sequence[str]) -> int:
    root = directory()
    if root is None:
        print("the `go` command is needed to fetch OPA's cases", file=sys.stderr)
        return 2
    results = run(list(load(root)))
    if arguments == ["--write"]:
        page.write(results)
    for agreement, number in sorted(Counter(result.agreement for result in results).items()):
        print(f"{number:5} {agreement}")
    if len(arguments) == 2:
        for result in results:
            line = f"{result.version}/{result.folder}/{result.note}: {result.detail}"
            if result.agreement == arguments[0] and re.search(arguments[1], line):
                print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
