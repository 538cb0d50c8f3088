"""Signing with an identity: the services of a Sigstore instance, a short-lived certificate and its proofs."""
