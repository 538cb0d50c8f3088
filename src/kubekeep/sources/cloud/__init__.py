"""Descriptions of managed clusters from the APIs of their clouds. Sends only read requests, and only if requested."""
