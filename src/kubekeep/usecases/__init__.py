"""Use cases, one module each. They connect the other packages and contain no domain knowledge."""
