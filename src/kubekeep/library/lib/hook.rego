# Hooks of Helm and Argo CD, and Jobs that are removed when they end: workloads that are created for one run, such as an
# upgrade or a test. How well they run as a service does not matter; what they may access does.
package kubekeep.lib.hook

# True for a Job, and for a Pod that ends, with the annotation of a hook. Another kind keeps its pods running. Most objects
# have no annotations, which is tested first.
runs_once(object) if {
	annotated(object.metadata.annotations)
	ends(object)
}

runs_once(object) if {
	object.spec.ttlSecondsAfterFinished == 0
	object.kind == "Job"
}

ends(object) if object.kind == "Job"

ends(object) if {
	object.kind == "Pod"
	object.spec.restartPolicy in {"Never", "OnFailure"}
}

# Argo CD does not apply objects with the value `Skip` (Argo CD docs, Resource Hooks).
annotated(annotations) if {
	annotations["helm.sh/hook"] != ""
} else if not object.get(annotations, "argocd.argoproj.io/hook", "") in {"", "Skip"}
