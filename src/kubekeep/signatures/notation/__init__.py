"""Signatures of the Notary Project (notation): envelopes, certificates, trust stores and policies. Never signs.

Frozen: accepts fixes, no new features.
"""
