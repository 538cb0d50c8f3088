package kubekeep.controls.container_runtime_socket

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.volumes[%d]", [input.workload.path, index]),
	"delete": true,
	"message": sprintf("volume %v exposes the container runtime socket of the node", [volume.name]),
} if {
	some index
	volume := input.workload.spec.volumes[index]
	exposing[volume.name]
}

violation contains {
	"path": sprintf("%s.volumeMounts[%d]", [container.path, index]),
	"delete": true,
	"message": sprintf("container %v mounts the container runtime socket of the node with volume %v", [
		workload.called(container),
		mount.name,
	]),
} if {
	some container in input.workload.containers
	some index
	mount := container.volumeMounts[index]
	exposing[mount.name]
}

# Volumes that are the socket of a container runtime.
exposing contains volume.name if {
	volume := input.workload.spec.volumes[_]
	sockets[socket_name(volume.hostPath.path)]
}

# Volumes of a folder that contains the socket, with a mount that exposes it.
exposing contains volume.name if {
	volume := input.workload.spec.volumes[_]
	workload.host_volume(volume.name)
	some container in input.workload.containers
	mount := container.volumeMounts[_]
	mount.name == volume.name
	reaches(concat("/", [volume.hostPath.path, sub_path(mount)]))
}

sockets := {
	"docker.sock", "containerd.sock", "crio.sock", "cri-dockerd.sock", "dockershim.sock", "podman.sock",
	"frakti.sock", "docker_engine", "containerd-containerd",
}

directories := {
	"", "/run", "/run/containerd", "/run/crio", "/run/podman", "/run/k3s", "/run/k3s/containerd", "/run/k0s",
}

reaches(path) if sockets[socket_name(path)]

reaches(path) if directories[plain(path)]

# Last segment of a path or of a Windows named pipe.
socket_name(path) := name if {
	parts := split(plain(replace(path, `\`, "/")), "/")
	name := parts[count(parts) - 1]
}

# /var/run is a link to /run.
plain(path) := trim_prefix(trimmed, "/var") if {
	trimmed := trim_right(replace(path, "//", "/"), "/")
	startswith(sprintf("%s/", [trimmed]), "/var/run/")
} else := trim_right(replace(path, "//", "/"), "/")

sub_path(mount) := mount.subPath if is_string(mount.subPath)

sub_path(mount) := "" if not is_string(mount.subPath)
