"""THE NOUNS: frozen values that every stage exchanges. Imports nothing else of Kubekeep and does no I/O."""
