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

violation contains {"path": "spec.hostPath.path", "message": message} if {
	input.object.kind == "PersistentVolume"
	path := input.object.spec.hostPath.path
	reaches(path)
	message := sprintf("hostPath.path %s exposes the container runtime socket of the node to pods with its claim", [path])
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
	"docker.sock", "docker-containerd.sock", "containerd.sock", "crio.sock", "cri-dockerd.sock", "dockershim.sock", "podman.sock",
	"frakti.sock", "docker_engine", "containerd-containerd",
}

# Default paths of the sockets: of the runtimes, of the containerd that Docker starts, and in distributions of
# Kubernetes.
socket_paths := [
	"/run/containerd/containerd.sock", "/run/cri-dockerd.sock", "/run/crio/crio.sock", "/run/docker.sock",
	"/run/docker/containerd/containerd.sock", "/run/docker/libcontainerd/docker-containerd.sock",
	"/run/dockershim.sock", "/run/frakti.sock", "/run/k0s/containerd.sock",
	"/run/k3s/containerd/containerd.sock", "/run/podman/podman.sock",
	"/var/snap/microk8s/common/run/containerd.sock",
]

reaches(path) if sockets[socket_name(path)]

# Nodes that are not of MicroK8s have no socket below /var: /var/run is a link to /run, outside the mount.
reaches(path) if {
	folder := plain(path)
	folder != "/var"
	some socket in socket_paths
	startswith(socket, sprintf("%s/", [folder]))
}

# Folders of users with rootless Docker or Podman (Docker docs, Rootless mode).
reaches(path) if regex.match(`^/run/user(/[0-9]+(/podman)?)?$`, plain(path))

# Last segment of a path or of a Windows named pipe.
socket_name(path) := name if {
	parts := split(plain(replace(path, `\`, "/")), "/")
	name := parts[count(parts) - 1]
}

# Path without empty and `.` segments; /var/run is a link to /run.
plain(path) := trim_prefix(cleaned, "/var") if {
	cleaned := clean(path)
	startswith(sprintf("%s/", [cleaned]), "/var/run/")
} else := clean(path)

clean(path) := concat("", [sprintf("/%s", [part]) | some part in split(path, "/"); not part in {"", "."}])

sub_path(mount) := mount.subPath if is_string(mount.subPath)

sub_path(mount) := "" if not is_string(mount.subPath)
