"""Descriptions of managed clusters from their clouds, through the clouds' SDKs. Reads only, and only on request."""
