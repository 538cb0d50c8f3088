"""Policies of the policy-controller and of Kyverno, converted to image policies. Never reads a file, never verifies."""
