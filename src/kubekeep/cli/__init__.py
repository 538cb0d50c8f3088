"""The command line: parses, calls one use case, prints. Each command is a module, imported only to run it.

`options` holds the options that commands share, `console` the input and output of a terminal.
"""
