"""Latency and memory of the language server: `PYTHONPATH=. python benchmarks/editor.py`.

Types into a manifest with ten documents and into the values of a chart, as an editor does, without a pause between
changes. Prints a table; asserts nothing, because machines differ and are shared. All content is fictitious.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.lsp.client import Editor
from tests.lsp.samples import VALUES, write_chart

CHANGES: Final = 100
EDITS: Final = 2000
OPTIONS: Final = {"debounce": 0, "frameworks": ["allcontrols"]}
DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{0}
  namespace: shop
  labels: {{app: web-{0}}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: web-{0}}}
  template:
    metadata:
      labels: {{app: web-{0}}}
    spec:
      serviceAccountName: web
      containers:
        - name: web
          image: registry.example.com/shop/web:1.{0}
          ports:
            - containerPort: 8080
          securityContext:
            privileged: false
            runAsUser: 0
          env:
            - name: LEVEL
              value: info
          volumeMounts:
            - {{name: data, mountPath: /data}}
      volumes:
        - {{name: data, hostPath: {{path: /var/lib/shop}}}}
"""
MANIFEST: Final = "---\n".join(DEPLOYMENT.format(number) for number in range(10))


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_chart(Path(name).resolve())
        with Editor(folder, options=OPTIONS, validates=False) as editor:
            started = time.perf_counter()
            manifest = editor.open("manifest.yaml", MANIFEST)
            count = len(editor.diagnostics(manifest))
            print(f"{MANIFEST.count(chr(10))} lines, 10 documents, {count} diagnostics, all controls")
            print(f"first diagnostics {1000 * (time.perf_counter() - started):.0f} ms after didOpen")
            type_in(editor, manifest, list_texts(10))
            used = measure_processor(editor)
            print_times("manifest", type_in(editor, manifest, list_texts(CHANGES)))
            print(f"processor time of a change: {1000 * (measure_processor(editor) - used) / CHANGES:.0f} ms")
            print(f"memory {measure_memory(editor):.0f} MB")
            type_in(editor, manifest, list_texts(EDITS - CHANGES))
            print(f"memory after {EDITS:,} edits {measure_memory(editor):.0f} MB")
            values = editor.open("web/values.yaml")
            editor.diagnostics(values)
            texts = (VALUES.replace("web:1.0", f"web:1.{number}") for number in range(30))
            print_times("values of a chart", type_in(editor, values, texts))
            print(f"memory at the end {measure_memory(editor):.0f} MB")
            editor.end()


def list_texts(count: int) -> Iterator[str]:
    """Yield versions of the manifest, each different from the one before in one document."""
    for number in range(count):
        privileged = MANIFEST.replace("privileged: false", f"privileged: {'true' if number % 2 else 'false'}", 1)
        yield privileged.replace("shop/web:1.5", f"shop/web:2.{number}")


def type_in(editor: Editor, path: Path, texts: Iterator[str]) -> list[float]:
    """Return the milliseconds from each change to its diagnostics."""
    times = []
    for text in texts:
        started = time.perf_counter()
        editor.change(path, text)
        editor.diagnostics(path)
        times.append(1000 * (time.perf_counter() - started))
        del editor.notifications[:-1]
    return times


def print_times(name: str, times: Sequence[float]) -> None:
    """Print the distribution of times."""
    p95 = statistics.quantiles(times, n=20)[-1]
    print(
        f"{name}: p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms, max {max(times):.0f} ms ({len(times)} changes)"
    )


def measure_processor(editor: Editor) -> float:
    """Return the processor time of the server in seconds, user and system."""
    fields = Path(f"/proc/{editor.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_memory(editor: Editor) -> float:
    """Return the resident memory of the server in megabytes."""
    status = Path(f"/proc/{editor.process.pid}/status").read_text(encoding="utf-8")
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main()
