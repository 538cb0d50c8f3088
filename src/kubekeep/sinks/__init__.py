"""WHERE: what takes a finished report: a file, a service. Never knows what is in it."""
