"""Options of the command line, one module per group of options that commands share. Parses; starts no use case."""
