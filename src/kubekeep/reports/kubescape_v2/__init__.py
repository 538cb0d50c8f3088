"""Kubescape's JSON v2 document: written for reports, read for comparisons and fixes. Not a format by itself."""
