"""A real Kubernetes control plane on the loopback address, for tests and for manual use: see `scripts/cluster --help`.

etcd and kube-apiserver built from unmodified source; no scheduler, controllers or kubelet.
"""
