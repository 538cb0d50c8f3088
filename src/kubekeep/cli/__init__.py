"""The command line: parses, calls one use case, prints. Each command is a module, imported only to run it."""
