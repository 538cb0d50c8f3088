"""Image policies: which images may run, who must have signed them, and what attestations must state. Never reads a file."""
