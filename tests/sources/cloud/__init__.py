"""Cloud sources: AWS emulated by moto, Azure and Google by their REST references, each through its own SDK."""
