"""The terminal face: parse, call one use case, show. Each command is a module, imported only when it runs."""
