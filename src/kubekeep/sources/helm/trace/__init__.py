"""From a rendered object back to the line of the template, and to the key of the values file, that a person wrote.

Pure: texts in, texts and places out. Never runs Helm, never touches a disk.
"""

from kubekeep.sources.helm.trace.chart import ChartTexts, ValuesLayer

__all__ = ["ChartTexts", "ValuesLayer"]
