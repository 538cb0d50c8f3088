package kubekeep.controls.ingress_nginx_snippets

import data.kubekeep.lib.flags
import data.kubekeep.lib.identity

program := `(?:^|[/.-])(?:ingress-nginx[/-]controller(?:-chroot)?|nginx-ingress-controller)(?:-[a-z0-9]+64)?(?::[^/]*)?(?:@.*)?$`

controllers := [container |
	some container in input.workload.containers
	container.type == "container"
	is_controller(container)
]

is_controller(container) if regex.match(program, container.image)

is_controller(container) if {
	some field in ["command", "args"]
	endswith(container[field][_], "/nginx-ingress-controller")
}

applies if count(controllers) > 0

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in controllers
	beyond_help(version(container))
	message := "this version of ingress-nginx cannot disable snippets: upgrade it"
}

violation contains {"path": argument(container), "message": message} if {
	some container in controllers
	not beyond_help(version(container))
	allowed(container)
	message := concat("", [
		"allow-snippet-annotations is not set to \"false\" in ",
		config_map(container),
	])
}

not_evaluated contains "the image tag contains no version, and the ConfigMap does not set allow-snippet-annotations" if {
	some container in controllers
	not version(container)
	count(snippet_values(container)) == 0
}

not_evaluated contains sentence if {
	some container in controllers
	namespace := elsewhere(container)
	sentence := sprintf("the input has no ConfigMap in namespace %s: the namespace may be missing from the input", [
		namespace,
	])
}

not_evaluated contains sentence if {
	some container in controllers
	[namespace, name] := reference(container)
	not input.cluster.named.ConfigMap[namespace][name]
	sentence := sprintf("the input does not contain ConfigMap %s/%s", [namespace, name])
}

allowed(container) if {
	some value in snippet_values(container)
	value != "false"
}

allowed(container) if {
	count(snippet_values(container)) == 0
	not elsewhere(container)
	version(container) < [1, 9, 0]
}

beyond_help(number) if number < [0, 49, 1]

beyond_help(number) if number == [1, 0, 0]

version(container) := [to_number(match[0][1]), to_number(match[0][2]), to_number(match[0][3])] if {
	tag := regex.find_n(`:[^:/@]+`, regex.replace(container.image, `^.*/`, ""), 1)[0]
	match := regex.find_all_string_submatch_n(`([0-9]+)\.([0-9]+)\.([0-9]+)`, tag, 1)
	count(match) > 0
}

# Namespace and name in --configmap.
reference(container) := parts if {
	value := flags.value(container, "configmap")
	parts := split(replace(value, "$(POD_NAMESPACE)", identity.namespace), "/")
	count(parts) == 2
}

# Namespace in --configmap, if it is another one and the input has no relevant ConfigMap of it.
elsewhere(container) := namespace if {
	[namespace, _] := reference(container)
	namespace != identity.namespace
	not held(namespace)
}

# A scan of other namespaces also lists `cilium-config` by name: it does not show that the namespace was read.
held(namespace) if {
	some name, _ in input.cluster.named.ConfigMap[namespace]
	name != "cilium-config"
}

# Values of the setting in all definitions of the ConfigMap.
snippet_values(container) := {lower(sprintf("%v", [value])) |
	[namespace, name] := reference(container)
	some definition in input.cluster.named.ConfigMap[namespace][name]
	value := definition.data["allow-snippet-annotations"]
} | {lower(sprintf("%v", [value])) |
	# A manifest without arguments is incomplete: any ConfigMap in its namespace may be the one.
	count(object.get(container, "args", [])) == 0
	some definition in input.cluster.objects.ConfigMap[identity.namespace]
	value := definition.data["allow-snippet-annotations"]
}

argument(container) := flags.last(flags.words(container), "configmap").path if {
	reference(container)
} else := sprintf("%s.image", [container.path])

config_map(container) := sprintf("ConfigMap %s", [concat("/", reference(container))]) if {
	reference(container)
} else := "the ConfigMap of the controller"
