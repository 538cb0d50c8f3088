"""Attack paths: a graph of what leads where in the objects of an input, and the ways through it.

Pure: objects and verdicts come in, `model.attack.Attacks` goes out. An edge is there only for what objects say; what
they leave open is an assumption that the edge names. A pod is never taken over from another pod: that two programs
can talk does not mean that one is broken.
"""
