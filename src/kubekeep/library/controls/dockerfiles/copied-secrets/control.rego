package kubekeep.controls.copied_secrets

import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("%s.sources[%d]", [path, number]),
	"message": sprintf("%s usually holds secrets", [source]),
} if {
	some path, step in dockerfile.image_steps
	step.instruction in {"ADD", "COPY"}
	some number, source in step.sources
	not contains(source, "://")
	regex.match(secret_file, source)
	not allowed(source)
}

secret_file := concat("", [
	`(?i)(?:^|/)(?:\.env(?:\.(?:local|prod|production|staging|dev|development))?|\.git/?|\.git-credentials|\.netrc|_netrc`,
	`|\.npmrc|\.pypirc|\.pgpass|\.htpasswd|\.dockercfg|\.docker/?|\.docker/config\.json|\.aws/?|\.aws/credentials|\.ssh/?`,
	`|\.kube/?|\.kube/config|kubeconfig|\.azure/?|\.gnupg/?|id_(?:rsa|dsa|ecdsa|ed25519)|credentials\.json`,
	`|service[_-]?account(?:[_-]?key)?\.json|terraform\.tfstate|[\w.-]*\.tfvars|[\w.-]+\.(?:p12|pfx|jks|keystore|kdbx|ppk)`,
	`|[\w.-]*(?:private|server|tls|client)[\w.-]*\.key|[\w.-]*private[\w.-]*\.pem|secrets?\.(?:ya?ml|json|env|txt))$`,
])

allowed(source) if {
	some pattern in input.params.copiedPathsAllowed
	glob.match(trim_prefix(pattern, "./"), ["/"], trim_prefix(source, "./"))
}
