"""A real Kubernetes control plane on the loopback address, for tests and for manual use: see `scripts/cluster --help`.

etcd and kube-apiserver built from unmodified source; on request, with a node that runs pods. Without one, there is no
scheduler, controller or kubelet.
"""
