"""Tests of signing with an identity, by real services of Sigstore."""
