"""Attack paths: a graph of the steps that the resources of an input allow, and the paths through it.

No I/O: resources and verdicts in, `model.attack.Attacks` out. Every edge is based on fields of resources; conditions
outside the input are assumptions named by the edge. No edge leads from one pod to another over the network: a reachable
program is not assumed to be exploitable from another.
"""
