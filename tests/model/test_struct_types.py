"""Struct types are analysed before threads decode them: without this, the process crashes in most runs of this program."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
import msgspec
from kubekeep.model.struct_types import prepare_types

sys.setswitchinterval(1e-6)

def decode(kind, barrier, results):
    barrier.wait()
    results.append(msgspec.json.decode(b'{"f0": {"a": 1}, "f19": {"b": "x"}}', type=kind))

for number in range(50):
    parts = [
        msgspec.defstruct(f"Part{number}_{index}", [("a", int, 0), ("b", str | None, None), ("c", list[dict[str, int]], [])])
        for index in range(20)
    ]
    kind = msgspec.defstruct(f"Whole{number}", [(f"f{index}", part | None, None) for index, part in enumerate(parts)])
    prepare_types()
    barrier, results = threading.Barrier(4), []
    threads = [threading.Thread(target=decode, args=(kind, barrier, results)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(result.f0.a, result.f19.b) for result in results] == [(1, "x")] * 4
print("complete")
"""


def test_prepared_types_are_decoded_in_several_threads() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300)
    assert (result.returncode, result.stdout) == (0, "complete\n"), result.stderr
