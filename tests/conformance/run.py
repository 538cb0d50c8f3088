"""Run the suite on all cores, and survive the death of a worker.

python -m tests.conformance.run            count by verdict
python -m tests.conformance.run WRONG re   list the cases of a verdict that match a pattern
python -m tests.conformance.run --write    renew the reference page and the ratchet
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
from tests.conformance.judge import Judged, Verdict, judge
from tests.conformance.suite import Case, directory, load

#: Seconds that a bundle of cases may take before its worker is given up.
PATIENCE = 120
BUNDLE = 50


def run(cases: Sequence[Case]) -> list[Judged]:
    """Judge all cases, in their order."""
    bundles = [cases[start : start + BUNDLE] for start in range(0, len(cases), BUNDLE)]
    judged: list[Judged] = []
    with _pool(os.cpu_count() or 1) as pool:
        waiting = [(bundle, pool.submit(_judge_all, bundle)) for bundle in bundles]
        for bundle, future in waiting:
            judged.extend(_outcome(bundle, future))
    return judged


def _judge_all(cases: Iterable[Case]) -> list[Judged]:
    return [judge(case) for case in cases]


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn"))


def _outcome(bundle: Sequence[Case], future: "Future[list[Judged]]") -> list[Judged]:
    try:
        return future.result(timeout=PATIENCE)
    except (BrokenProcessPool, TimeoutError):
        return [_alone(case) for case in bundle]


def _alone(case: Case) -> Judged:
    """Judge a case of a bundle that died in a process of its own, to learn which one it was."""
    with _pool(1) as pool:
        try:
            return pool.submit(judge, case).result(timeout=PATIENCE)
        except (BrokenProcessPool, TimeoutError) as error:
            return Judged(case.version, case.folder, case.note, Verdict.CRASH, repr(error))


def main(arguments: Sequence[str]) -> int:
    root = directory()
    if root is None:
        print("the `go` command is needed to fetch OPA's cases", file=sys.stderr)
        return 2
    judged = run(list(load(root)))
    if arguments == ["--write"]:
        page.write(judged)
    for verdict, number in sorted(Counter(item.verdict for item in judged).items()):
        print(f"{number:5} {verdict}")
    if len(arguments) == 2:
        for item in judged:
            line = f"{item.version}/{item.folder}/{item.note}: {item.detail}"
            if item.verdict == arguments[0] and re.search(arguments[1], line):
                print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
