"""The JSON v2 document of Kubescape: written for reports, read back for comparison. Is no format by itself."""
