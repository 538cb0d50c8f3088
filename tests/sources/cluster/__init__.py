"""Tests of the reader of live clusters."""
