"""Verification of Sigstore's signatures: bundles, certificates of Fulcio, entries of Rekor, timestamps. No network."""
