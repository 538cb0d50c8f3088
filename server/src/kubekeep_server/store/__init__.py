"""The store: sources, their subjects with findings as intervals, and each scan as it was. Knows no HTTP."""
