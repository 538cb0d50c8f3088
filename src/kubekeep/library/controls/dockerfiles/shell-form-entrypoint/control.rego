package kubekeep.controls.shell_form_entrypoint

import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("stages[%d].instructions[%d]", [dockerfile.final, number]),
	"message": sprintf("%s in shell form: a shell receives the signals", [keyword]),
} if {
	keyword := used
	number := last(keyword)
	step := steps[number]
	step.form == "shell"
	not regex.match(`^\s*exec\s`, step.text)
}

steps := input.object.stages[dockerfile.final].instructions

# Only the last instruction of a kind has an effect.
last(keyword) := max([number | some number, step in steps; step.instruction == keyword])

used := "ENTRYPOINT" if {
	last("ENTRYPOINT")
} else := "CMD" if {
	last("CMD")
}
