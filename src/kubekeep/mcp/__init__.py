"""Model Context Protocol server: scans, explanations, fixes and comparisons as tools of an AI assistant.

`server.create_server` builds it, `stdio` and `http` serve it. Never reads a path outside of its roots, never writes
unless it was started with permission to do so, and never decides a verdict.
"""
