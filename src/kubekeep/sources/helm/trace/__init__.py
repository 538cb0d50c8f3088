"""Trace a rendered object back to the line of its template and the key of the values file that set a value.

Texts in, locations out: never runs Helm, no I/O. See docs/decisions/0007-line-tracing.md.
"""

from kubekeep.sources.helm.trace.document_trace import DocumentTrace
from kubekeep.sources.helm.trace.instrumentation import Instrumentation
from kubekeep.sources.helm.trace.values_layers import ChartTexts, ValuesLayer

__all__ = ["ChartTexts", "DocumentTrace", "Instrumentation", "ValuesLayer"]
