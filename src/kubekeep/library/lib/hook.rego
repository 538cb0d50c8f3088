# Hooks of Helm and Argo CD: workloads that are created for one run at an event, such as an upgrade or a test, and removed
# afterwards. How well they run as a service does not matter; what they may access does.
package kubekeep.lib.hook

# True for a Job, and for a Pod that ends, with the annotation of a hook. Another kind keeps its pods running.
runs_once(object) if {
	object.kind == "Job"
	annotated(object.metadata.annotations)
} else if {
	object.kind == "Pod"
	object.spec.restartPolicy in {"Never", "OnFailure"}
	annotated(object.metadata.annotations)
}

# Argo CD does not apply objects with the value `Skip` (Argo CD docs, Resource Hooks).
annotated(annotations) if {
	annotations["helm.sh/hook"] != ""
} else if not object.get(annotations, "argocd.argoproj.io/hook", "") in {"", "Skip"}
