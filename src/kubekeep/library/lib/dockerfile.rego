# Dockerfiles as the reader gives them: stages, their instructions, and the commands of scripts.
package kubekeep.lib.dockerfile

# Instructions by path, with the instructions after ONBUILD.
steps[sprintf("stages[%d].instructions[%d]", [stage, number])] := step if {
	some stage, number
	step := input.object.stages[stage].instructions[number]
}

steps[sprintf("stages[%d].instructions[%d].trigger", [stage, number])] := step if {
	some stage, number
	step := input.object.stages[stage].instructions[number].trigger
}

# Commands of RUN, CMD, ENTRYPOINT and HEALTHCHECK by path.
commands[sprintf("%s.commands[%d]", [path, number])] := command if {
	some path, step in steps
	step.instruction != "SHELL"
	some number
	command := step.commands[number]
}

# Words after the program of a command.
arguments(command) := array.slice(command.command, command.programAt + 1, count(command.command)) if {
	is_array(command.command)
	is_number(command.programAt)
}

# The index in the command of a word after its program.
position(command, number) := (command.programAt + 1) + number

# The number of the stage that a build without --target makes.
final := max([number |
	some number
	input.object.stages[number].isFinal
])

# Stages whose content is in the image: the last one, and those that it is built on.
image_stages := parents(parents(parents(parents(parents(parents({final}))))))

parents(numbers) := numbers | {parent | some number in numbers; parent := input.object.stages[number].base.stage}

# Instructions and commands of these stages by path.
image_steps[path] := step if {
	some path, step in steps
	in_image(path)
}

image_commands[path] := command if {
	some path, command in commands
	in_image(path)
}

in_image(path) if {
	some number in image_stages
	startswith(path, sprintf("stages[%d].", [number]))
}

# True if a value depends on a variable that only a build knows.
unresolved(text) if contains(text, "$")

# External images that stages are built on or copy files from, by path.
images[sprintf("stages[%d].base.image", [stage])] := image if {
	some stage
	image := input.object.stages[stage].base.image
}

images[sprintf("%s.from.image", [path])] := image if {
	some path, step in steps
	image := step.from.image
	not build_context(image)
}

images[sprintf("%s.mounts[%d].from.image", [path, number])] := image if {
	some path, step in steps
	some number
	image := step.mounts[number].from.image
	not build_context(image)
}

# A name without a registry, a folder and a tag may be that of a context of the build (`--build-context`).
build_context(name) if {
	regex.match(`^[\w-]+$`, name)
	not name in official
}

# Official images of Docker Hub that run as root unless a tag says otherwise.
official := {
	"almalinux", "alpine", "amazoncorretto", "amazonlinux", "archlinux", "bash", "buildpack-deps", "busybox", "caddy",
	"centos", "clojure", "composer", "dart", "debian", "docker", "eclipse-temurin", "elixir", "erlang", "fedora", "gcc",
	"golang", "haskell", "httpd", "julia", "maven", "nginx", "node", "openjdk", "opensuse", "oraclelinux", "perl", "php",
	"pypy", "python", "r-base", "rockylinux", "ruby", "rust", "swift", "tomcat", "ubuntu",
}
