"""Parts of the command line that no command owns: arguments, configured defaults, help, output, progress and shutdown."""
