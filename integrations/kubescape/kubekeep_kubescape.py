"""The program `kubescape`, which is Kubekeep's drop-in for Kubescape's command line. Holds nothing else."""
