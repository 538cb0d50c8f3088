package kubekeep.controls.secrets_from_external_store

import data.kubekeep.lib.identity

# Not applicable without Secrets.
applies if count(uses) > 0

applies if mounts_store

violation contains {
	"path": use.path,
	"message": sprintf("the Secret %v does not come from an external store", [use.secret]),
} if {
	count(uses) > 0
	not mounts_store
	not injected
	some use in uses
	not delivered(use.secret)
}

uses contains {"path": sprintf("%s.env[%d].name", [container.path, index]), "secret": name} if {
	some container in input.workload.containers
	some index
	name := container.env[index].valueFrom.secretKeyRef.name
}

uses contains {"path": sprintf("%s.envFrom[%d].secretRef", [container.path, index]), "secret": name} if {
	some container in input.workload.containers
	some index
	name := container.envFrom[index].secretRef.name
}

uses contains {"path": sprintf("%s.volumes[%d].secret", [input.workload.path, index]), "secret": name} if {
	some index
	name := input.workload.spec.volumes[index].secret.secretName
}

uses contains {
	"path": sprintf("%s.volumes[%d].projected.sources[%d].secret", [input.workload.path, index, source]),
	"secret": name,
} if {
	some index, source
	name := input.workload.spec.volumes[index].projected.sources[source].secret.name
}

mounts_store if {
	volume := input.workload.spec.volumes[_]
	volume.csi.driver == "secrets-store.csi.k8s.io"
	volume.csi.volumeAttributes.secretProviderClass != ""
}

injected if input.workload.metadata.annotations["vault.hashicorp.com/agent-inject"] == "true"

# An ExternalSecret creates a Secret with its own name by default.
delivered(secret) if {
	made := input.cluster.objects["external-secrets.io/ExternalSecret"][identity.namespace][_]
	object.get(object.get(made.spec, "target", {}), "name", made.metadata.name) == secret
} else if {
	some kind in ["VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"]
	made := input.cluster.objects[sprintf("secrets.hashicorp.com/%s", [kind])][identity.namespace][_]
	made.spec.destination.name == secret
}
