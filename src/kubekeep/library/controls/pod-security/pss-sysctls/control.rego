package kubekeep.controls.pss_sysctls

# Safe sysctls, with the first minor version of Kubernetes that allows them.
safe := {
	"kernel.shm_rmid_forced": 0,
	"net.ipv4.ip_local_port_range": 0,
	"net.ipv4.tcp_syncookies": 0,
	"net.ipv4.ping_group_range": 0,
	"net.ipv4.ip_unprivileged_port_start": 0,
	"net.ipv4.ip_local_reserved_ports": 27,
	"net.ipv4.tcp_keepalive_time": 29,
	"net.ipv4.tcp_fin_timeout": 29,
	"net.ipv4.tcp_keepalive_intvl": 29,
	"net.ipv4.tcp_keepalive_probes": 29,
	"net.ipv4.tcp_rmem": 32,
	"net.ipv4.tcp_wmem": 32,
	"net.ipv4.tcp_slow_start_after_idle": 37,
	"net.ipv4.tcp_notsent_lowat": 37,
}

violation contains {
	"path": sprintf("%s.securityContext.sysctls[%d]", [input.workload.path, i]),
	"delete": true,
	"message": sprintf("pod: sysctl %v is not in the list of safe sysctls", [object.get(sysctl, "name", i)]),
} if {
	some i
	sysctl := input.workload.spec.securityContext.sysctls[i]
	not is_safe(sysctl)
}

is_safe(sysctl) if safe[sysctl.name] <= input.kubernetes.minor
