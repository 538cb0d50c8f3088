"""Client of the Kubernetes API: credentials, discovery, permissions, and objects by list or watch. Never writes.

Every request to a cluster goes through this package; it does not evaluate the objects it reads.
"""
