"""Packed problems of images and counts: their sums are those of the values one by one."""

from __future__ import annotations

import collections
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep._native import ImageProblems, pack_counts, pack_problems, sum_counts

Problem = tuple[int, int, int, int]
NAMES: Final = st.integers(0, 5)
DEFINITIONS: Final = st.integers(1, 300)
TIMES: Final = st.integers(-(2**62), 2**62)
PROBLEMS: Final = st.lists(st.tuples(NAMES, st.integers(0, 2**20), DEFINITIONS, TIMES), max_size=20)
IMAGES: Final = st.lists(
    st.tuples(PROBLEMS, st.integers(0, 7), st.integers(0, 9), st.integers(0, 9)), max_size=8
)  # fmt: skip


def pack(images: list[tuple[list[Problem], int, int, int]]) -> ImageProblems:
    return ImageProblems([(pack_problems(problems), *uses) for problems, *uses in images])  # type: ignore[misc]


@given(IMAGES)
def test_sums_by_definition(images: list[tuple[list[Problem], int, int, int]]) -> None:
    expected = []
    for number in sorted({problem[2] for problems, *_ in images for problem in problems}):
        having = [(problems, exposure) for problems, exposure, *_ in images if any(p[2] == number for p in problems)]
        selected = [problem for problems, _ in having for problem in problems if problem[2] == number]
        expected.append((
            number,
            max(exposure for _, exposure in having),
            len(having),
            min(problem[3] for problem in selected),
            any(problem[0] for problem in selected),
        ))  # fmt: skip
    assert pack(images).sum_definitions() == expected


@given(IMAGES, st.sets(DEFINITIONS, max_size=50), st.integers(1, 3))
def test_first_images_with_a_definition(
    images: list[tuple[list[Problem], int, int, int]], definitions: set[int], limit: int
) -> None:
    pairs = pack(images).list_images(sorted(definitions), limit)
    assert len(set(pairs)) == len(pairs)
    for definition in definitions:
        having = [at for at, (problems, *_) in enumerate(images) if any(p[2] == definition for p in problems)]
        assert sorted(at for number, at in pairs if number == definition) == having[:limit]


@given(
    IMAGES,
    st.sets(DEFINITIONS, max_size=200),
    st.sampled_from([{}, {1: 1, 2: 1}, {3: 2, 2: 2, 5: 2}, {1: 4, 2: 4, 900: 4}]),
)
def test_sums_by_package(
    images: list[tuple[list[Problem], int, int, int]], definitions: set[int], groups: dict[int, int]
) -> None:
    sums = []
    for change in range(1, 6):
        names = {name for name in range(1, 6) if groups.get(name, name) == change}
        having = [
            (len({p[2] for p in problems if p[0] in names and p[2] in definitions}), workloads, exposed)
            for problems, _, workloads, exposed in images
        ]
        used = [values for values in having if values[0]]
        if used:
            sums.append((change, sum(v[0] for v in used), len(used), sum(v[1] for v in used), sum(v[2] for v in used)))
    assert pack(images).sum_upgrades(sorted(definitions), list(groups.items())) == sums
    fixes = {p[:3] for problems, *_ in images for p in problems if p[0] in (1, 2) and p[2] in definitions}
    assert pack(images).list_upgrades(sorted(definitions), [1, 2]) == sorted(fixes)


@pytest.mark.parametrize("content", [b"", b"\xff", b"\x01", b"\x00\x01", b"\x00\x01\x04", b"\xff" * 40])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a packed value"):
        ImageProblems([(content, 0, 0, 0)]).sum_definitions()


@given(st.binary(max_size=60))
def test_any_bytes_end(content: bytes) -> None:
    problems = ImageProblems([(content, 0, 0, 0)])
    try:
        problems.sum_definitions()
    except ValueError:
        return
    problems.list_images([1], 1)


@given(st.lists(st.dictionaries(st.integers(0, 1_000), st.integers(0, 2**25)), max_size=5))
def test_sums_of_counts(counts: list[dict[int, int]]) -> None:
    sums = collections.Counter[int]()
    for values in counts:
        sums.update(values)
    expected = sorted((number, count) for number, count in sums.items() if count)
    assert sum_counts([pack_counts(list(values.items())) for values in counts]) == expected
