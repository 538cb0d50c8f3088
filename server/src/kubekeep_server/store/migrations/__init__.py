"""Migrations of the tables, run by `engine.upgrade`."""
