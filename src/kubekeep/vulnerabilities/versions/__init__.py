"""Version schemes: one module per scheme, and their registry by ecosystem. No I/O."""
