package kubekeep.controls.sudo_in_command

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.%s[%d]", [container.path, field, index]),
	"message": sprintf("container %v runs sudo at its start", [workload.called(container)]),
} if {
	some container in input.workload.containers
	some field in ["command", "args"]
	some index
	text := container[field][index]
	contains(text, "sudo")
	calls(container, field, index, text)
}

calls(container, field, index, text) if {
	regex.match(`\s`, text)
	regex.match(script, text)
} else if {
	regex.match(`^(?:/\S*/)?sudo$`, text)
	starts(container, field, index)
}

# Positions at which a shell expects a program: the start, after separators, after commands that run other commands,
# and after variable assignments. `sudo` without arguments has no effect.
script := concat("", [
	"(?m)(?:^|[;&|({!`]",
	`|\b(?:then|do|else|exec|env|time|nohup|xargs)\s+|\s(?:-c|--)\s+["']?)\s*`,
	`(?:[A-Za-z_]\w*=\S*\s+)*(?:/[^\s;&|]*/)?sudo\s+\S`,
])

# The first word is the program, and so is a word after a command that runs other commands.
starts(container, field, index) if {
	index == 0
	first(container, field)
} else if {
	regex.match(`^(?:--|-c|(?:\S*/)?(?:env|exec|time|nohup|xargs|(?:ba|da|a|z)?sh))$`, container[field][index - 1])
}

first(_, "command")

first(container, "args") if {
	count(object.get(container, "command", [])) == 0
}
