"""Tests of updates of trusted roots."""
