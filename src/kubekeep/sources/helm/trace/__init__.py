"""Trace a rendered object back to the line of its template and the key of the values file that set a value.

Texts in, locations out: never runs Helm, no I/O. See docs/decisions/0007-line-tracing.md.

Rules:

1. The evaluated objects come from the chart's own templates, which stay unchanged. Instrumented copies are in an
   additional file that Helm renders last, as comments (`instrumentation`, `instrumented`).
2. Markers are characters that no text of the chart has (`markers`). They are only where text goes straight to the
   output, so no condition, checksum or computation sees one.
3. A line is recorded, not guessed. If the copy printed another text than the chart (random values, dates), lines are
   aligned by key. If the copies were not rendered, only literal lines that are unique count. Else only the file is
   named (`alignment`).
4. The replay follows the markers and decides no branch. At a marker that does not fit it ends and keeps its results
   (`replay`).
5. A key comes from the expression of the action that printed the value, evaluated with symbols instead of values. The
   strongest layer with the path gives the file; a path that no layer sets has no key (`evaluate`, `values_layers`).
6. A missing key is located at the line of a branch that was not taken, if exactly one line would write it there, else
   at its nearest ancestor (`untaken`).
7. Each chart has a budget of steps. Beyond it values are not followed; lines are still named.

Example: `values.yaml` has `image: web:1` and `hostNetwork: false`, and lines 5 to 11 of `templates/pod.yaml` are

    spec:
      {{- if .Values.hostNetwork }}
      hostNetwork: true
      {{- end }}
      containers:
      - name: web
        image: {{ .Values.image | quote }}

    copy           T4 spec:{{if .Values.hostNetwork }}C5 T6 hostNetwork: true{{end}} ... T9 image: B10{{ ... }}E10
                   (T text, C case, B and E begin and end of an action; the numbers count the markers of the chart)
    output         Helm prints T9 image: B10"web:1"E10, and no C5: the branch was not taken
    image          T9 is at line 11; the symbol between B10 and E10 is .Values.image
                   -> templates/pod.yaml:11, values.yaml:1 image
    name           literal text -> templates/pod.yaml:10, no key
    hostNetwork    missing; the branch would write it into spec -> templates/pod.yaml:7, values.yaml:2 hostNetwork
    missing        no branch writes it -> spec, templates/pod.yaml:5, no key
"""

from kubekeep.sources.helm.trace.document_trace import DocumentTrace
from kubekeep.sources.helm.trace.instrumentation import Instrumentation
from kubekeep.sources.helm.trace.values_layers import ChartTexts, ValuesLayer

__all__ = ["ChartTexts", "DocumentTrace", "Instrumentation", "ValuesLayer"]
