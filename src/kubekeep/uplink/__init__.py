"""Sending of results to a server. Knows the model of submissions only: evaluates nothing and decides no verdict."""
