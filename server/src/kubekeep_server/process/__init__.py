"""The process of the server: command line, logs, start and stop."""
