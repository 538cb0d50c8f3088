"""Exceptions inside the scanned files: suppression comments and annotations."""
