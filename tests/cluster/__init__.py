"""A real Kubernetes control plane on the loopback address, for tests and for people: see `scripts/cluster --help`.

etcd and kube-apiserver as they are in the world, built from source; no scheduler, no controllers, no kubelet.
"""
