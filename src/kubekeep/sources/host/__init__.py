"""One node as it is: its files, processes and settings as documents that controls read. Never judges, never changes it."""
