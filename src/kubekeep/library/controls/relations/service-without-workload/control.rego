package kubekeep.controls.service_without_workload

import data.kubekeep.lib.exposure
import data.kubekeep.lib.selection

# Without a selector, endpoints are managed manually (Kubernetes docs, Services without selectors).
applies if {
	is_object(selector)
	count(selector) > 0
	object.get(input.object.spec, "type", "") != "ExternalName"
}

selector := input.object.spec.selector

namespace := exposure.namespace(input.object)

not_evaluated contains selection.unknown(foreign) if count(foreign) > 0

foreign := selection.foreign(namespace, object.keys(selector))

# Resources of operators count only if no workload is selected.
operators := selection.operated(namespace, [[key, value] | some key, value in selector]) if not is_selecting

not_evaluated contains operators

# kubeadm sets this label; manifests rarely contain the static pods of the control plane.
not_evaluated contains "the pods of the control plane are static pods, which the input does not contain" if static_pods

static_pods if {
	namespace == "kube-system"
	not is_selecting
	selector.component in {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

is_selecting if selection.selected(namespace, selector, [])

violation contains {"path": "spec.selector", "message": message} if {
	is_object(selector)
	count(foreign) == 0
	not is_selecting
	not operators
	not static_pods
	message := sprintf("selector %s matches no workload in namespace %s", [
		concat(",", [sprintf("%s=%v", [key, value]) | some key, value in selector]),
		namespace,
	])
}
