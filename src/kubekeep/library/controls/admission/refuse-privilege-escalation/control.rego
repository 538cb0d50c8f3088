package kubekeep.controls.refuse_privilege_escalation

import data.kubekeep.lib.admission
import data.kubekeep.lib.podsecurity

applies if not admission.system(input.object.metadata.name)

# Older versions of the level do not require all of this: `capabilities.drop: [ALL]`, for example, only since 1.22.
not_evaluated contains sentence if {
	["restricted", version] := podsecurity.written(input.object.metadata.labels, "enforce")
	minor := podsecurity.minor(version)
	minor < podsecurity.oldest
	not admission.guarded(input.object)
	sentence := sprintf("namespace %s enforces Pod Security Standards 1.%d; versions before 1.%d are not supported", [
		input.object.metadata.name,
		minor,
		podsecurity.oldest,
	])
}

violation contains admission.loose(input.object, ["restricted"])
