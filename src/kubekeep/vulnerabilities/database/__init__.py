"""The advisory database: built from OSV records, updated, imported, exported, queried."""
