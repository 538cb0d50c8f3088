"""Queries of pages. Each applies the scope of its user, ends its order in a unique key, and reads a bounded number of rows."""
