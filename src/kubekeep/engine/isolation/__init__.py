"""Evaluation of custom rules in a child process with limits on memory and time. Rules of the library stay in this process."""
