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

violation contains {"path": "spec.selector", "message": message} if {
	is_object(selector)
	count(foreign) == 0
	not selection.selected(namespace, selector, [])
	message := sprintf("selector %s matches no workload in namespace %s", [
		concat(",", [sprintf("%s=%v", [key, value]) | some key, value in selector]),
		namespace,
	])
}
