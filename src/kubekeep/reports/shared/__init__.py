"""Parts that several formats draw on. Is no format, and never writes one."""
