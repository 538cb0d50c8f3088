"""CEL with the language and libraries of the Kubernetes API server: checked, then evaluated within a budget. No I/O.

`program.CelEnvironment` compiles expressions; `failing_paths` finds the fields of an object that made one false.
"""
