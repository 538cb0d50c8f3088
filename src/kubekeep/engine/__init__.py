"""HOW: rules and inputs to violations, many at once, on all cores. Never knows a source, a report or a cluster."""
