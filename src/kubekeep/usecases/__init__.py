"""THE WIRES: one module per thing a user asks for. They join stages and hold no knowledge of their own."""
