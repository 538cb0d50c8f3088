package kubekeep.controls.ecr_read_only_nodes

import data.kubekeep.lib.cloud
import data.kubekeep.lib.description
import data.kubekeep.lib.gke

pulling := {
	"ecr:GetAuthorizationToken",
	"ecr:BatchCheckLayerAvailability",
	"ecr:GetDownloadUrlForLayer",
	"ecr:BatchGetImage",
}

changing := {
	"ecr:PutImage",
	"ecr:CompleteLayerUpload",
	"ecr:BatchDeleteImage",
	"ecr:DeleteRepository",
	"ecr:SetRepositoryPolicy",
	"ecr:PutImageTagMutability",
}

attached := description.at(description.whole, "rolesPolicies")

# Names of the roles that have a policy, by ARN of the policy.
roles[arn] := names if {
	is_object(attached.value)
	some arn, entities in attached.value
	holders := description.entries(description.at({"path": "", "value": entities}, "policyRoles"))
	names := {description.at(holder, "roleName").value | some holder in holders}
}

nodes contains role if {
	some names in roles
	some role in names
	regex.match(`(?i)node-?instance-?role`, role)
}

nodes contains role if {
	some arn, names in roles
	endswith(arn, ":policy/AmazonEKSWorkerNodePolicy")
	some role in names
}

nodes contains role.value if {
	some role in description.entries(description.at(description.whole, "nodeRoles"))
	is_string(role.value)
}

# Policy documents by ARN, from the same cluster if the input identifies it.
documents := named if {
	named := collected({input.object.metadata.name})
	count(named) > 0
} else := collected({version.metadata.name | version := versions[_]})

versions := [version | version := input.cluster.objects["eks.amazonaws.com/PolicyVersion"][_][_]]

collected(names) := {arn: document |
	version := versions[_]
	version.metadata.name in names
	field := description.at({"path": "data", "value": version.data}, "policiesDocuments")
	document := field.value[arn]
	is_object(document)
}

statements(role, effect) := [statement |
	some arn, names in roles
	role in names
	some statement in description.list(documents[arn].Statement)
	statement.Effect == effect
]

allowed(role, action) if {
	covered(statements(role, "Allow"), action)
	not covered([rule | some rule in statements(role, "Deny"); whole(rule, action)], action)
}

# True if a statement applies to every repository and request. A Deny for some of them leaves the others allowed.
whole(rule, action) if {
	not count(rule.Condition) > 0
	not rule.NotResource
	some resource in description.list(rule.Resource)
	covers_all(resource, action)
}

covers_all(resource, _) if regex.match(`^\*+$`, resource)

# Authorization tokens are not specific to a repository (AWS docs, actions, resources and condition keys of ECR).
covers_all(resource, action) if {
	action != "ecr:GetAuthorizationToken"
	regex.match(`^arn:(\*|aws[a-z-]*):ecr:\*:\*:(\*|repository/\*)$`, resource)
}

covered(rules, action) if {
	pattern := description.list(rules[_].Action)[_]
	description.matches(pattern, action)
}

covered(rules, action) if {
	excluded := description.list(rules[_].NotAction)
	count(excluded) > 0
	every pattern in excluded {
		not description.matches(pattern, action)
	}
}

missing(role) := sort([action | some action in pulling; not allowed(role, action)])

unread(role) := sort([arn | some arn, names in roles; role in names; not documents[arn]])

violation contains {"path": attached.path, "message": message} if {
	some role in nodes
	actions := missing(role)
	count(actions) > 0
	count(unread(role)) == 0
	message := sprintf("node role %s cannot pull images: no policy allows %s", [role, concat(", ", actions)])
}

violation contains {"path": attached.path, "message": message} if {
	some role in nodes
	actions := sort([action | some action in changing; allowed(role, action)])
	count(actions) > 0
	message := sprintf("node role %s can change images: its policies allow %s", [role, concat(", ", actions)])
}

not_evaluated contains "rolesPolicies contains no role of the nodes" if {
	cloud.provider == "eks"
	count(nodes) == 0
}

not_evaluated contains "the node roles in the ConfigMap aws-auth were not collected" if {
	description.at(description.whole, "nodeRolesComplete").value == false
}

not_evaluated contains reason if {
	some role in nodes
	count(missing(role)) > 0
	arns := unread(role)
	count(arns) > 0
	reason := sprintf("policies of role %s were not collected: %s", [role, concat(", ", arns)])
}

# GKE

# Service accounts of the nodes, with the location of the name and the scopes of their tokens.
accounts := [{"field": field, "name": name, "pool": pool.name, "scopes": scopes} |
	gke.described
	some pool in gke.pools
	field := description.at(pool.config, "serviceAccount")
	name := object.get({null: "default"}, field.value, field.value)
	scopes := {scope.value | some scope in description.entries(description.at(pool.config, "oauthScopes"))}
]

# Scopes that permit writes: without them a token is read-only, whatever the roles of its account.
writing_scopes := {
	"https://www.googleapis.com/auth/cloud-platform",
	"https://www.googleapis.com/auth/devstorage.read_write",
	"https://www.googleapis.com/auth/devstorage.full_control",
}

unlimited(account) if count(account.scopes) == 0

unlimited(account) if count(account.scopes & writing_scopes) > 0

writing_roles := {
	"roles/owner",
	"roles/editor",
	"roles/artifactregistry.admin",
	"roles/artifactregistry.repoAdmin",
	"roles/artifactregistry.writer",
	"roles/artifactregistry.createOnPushRepoAdmin",
	"roles/artifactregistry.createOnPushWriter",
	"roles/storage.admin",
	"roles/storage.objectAdmin",
}

policies := [policy | policy := input.cluster.objects["container.googleapis.com/ListEntitiesForPolicies"][_][_]]

bindings := [binding |
	document := {"path": "data", "value": policies[_].data}
	some holder in [document, description.at(document, "policy")]
	some binding in description.entries(description.at(holder, "bindings"))
]

violation contains {"path": account.field.path, "message": message} if {
	some account in accounts
	unlimited(account)
	some binding in bindings
	role := description.at(binding, "role").value
	role in writing_roles
	some member in description.entries(description.at(binding, "members"))
	is_account(member.value, account.name)
	message := sprintf("node pool %s: nodes can change images, because %s has %s", [account.pool, member.value, role])
}

is_account(member, name) if member == sprintf("serviceAccount:%s", [name])

# The name of the default Compute Engine account contains the number of the project.
is_account(member, "default") if {
	startswith(member, "serviceAccount:")
	endswith(member, "-compute@developer.gserviceaccount.com")
}

not_evaluated contains "the description of the cluster contains no service account of its nodes" if {
	input.object.kind == "ClusterDescribe"
	count(accounts) == 0
}

not_evaluated contains "the IAM policy of the project was not collected" if {
	some account in accounts
	unlimited(account)
	count(bindings) == 0
}
