"""Exceptions: approved deviations from controls, read from every form and applied to verdicts. Never evaluates a rule."""
