"""Advisories of the server: its database, and the matching of stored packages. The only part that imports the matching of Kubekeep."""
