"""From a rendered object back to the line of the template, and to the key of the values file, that a person wrote.

Pure: texts in, texts and places out. Never runs Helm, never touches a disk.
"""

from kubekeep.sources.helm.trace.chart import ChartTexts, ValuesLayer
from kubekeep.sources.helm.trace.document import DocumentTrace
from kubekeep.sources.helm.trace.instrumentation import Instrumentation, instrument

__all__ = ["ChartTexts", "DocumentTrace", "Instrumentation", "ValuesLayer", "instrument"]
