"""Helm charts as resources, rendered by Helm in a confined child process, with the location of each value.

`reader` is the entry point. Never evaluates controls, never accesses the network, writes only to a private temporary
folder.
"""
