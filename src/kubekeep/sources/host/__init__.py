"""Files, processes and settings of one node as documents for controls. Never evaluates or changes the node."""
