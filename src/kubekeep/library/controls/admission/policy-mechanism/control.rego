package kubekeep.controls.policy_mechanism

import data.kubekeep.lib.admission

applies if not admission.system(input.object.metadata.name)

violation contains admission.loose(input.object, ["baseline", "restricted"])
