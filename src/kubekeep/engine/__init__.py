"""Rule engines: Rego for many documents on all cores, and CEL. No knowledge of sources, reports or clusters."""
