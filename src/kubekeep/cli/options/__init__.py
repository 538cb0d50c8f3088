"""Options of the command line, one module per group of options that commands share. Parses; starts no use case.

Modules with groups do not postpone the evaluation of annotations, which hold the statements of the options.
"""
