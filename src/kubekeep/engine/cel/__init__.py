"""CEL as the Kubernetes API server speaks it: checked, then evaluated within a budget. Never reads, never prints.

`Environment` in `program` is the way in; `blame` says which part of an object made an expression false.
"""
