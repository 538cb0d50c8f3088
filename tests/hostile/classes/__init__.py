"""Generators of hostile input, one module for each area."""
