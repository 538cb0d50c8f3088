"""The only client of the Kubernetes API: who one is, what is served, and objects page by page.

Reads and asks; never changes anything in a cluster, and never judges what it reads.
"""
