"""Rule engines: Rego for many documents on all cores, and CEL. Independent of sources, reports and clusters."""
