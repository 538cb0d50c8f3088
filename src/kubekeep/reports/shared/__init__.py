"""Parts that several formats draw on; none is a format."""
