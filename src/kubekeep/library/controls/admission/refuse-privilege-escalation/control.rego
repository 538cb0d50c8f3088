package kubekeep.controls.refuse_privilege_escalation

import data.kubekeep.lib.admission

applies if not admission.system(input.object.metadata.name)

violation contains admission.loose(input.object, ["restricted"])
