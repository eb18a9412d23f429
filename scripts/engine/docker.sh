# Docker: a daemon of our own, with the containerd that it starts. Sourced by
# inside.
image=busybox home=$work/home
socket=unix://$work/docker.sock
command="$work/docker"
health='--health-interval 1s'
ipc='--ipc shareable'
build=
absent=126 host_namespaces='pid ipc net uts' link=eth0
remove='rm -f -v'
host() { "$@"; }
docker=/usr/bin/docker
[ -x $docker ] || docker=docker
daemon() { # start it, and wait until it answers
	rm -f "$work/docker.pid"
	# shellcheck disable=SC2086
	dockerd --log-level warn --config-file "$work/daemon.json" --data-root "$work/root" --exec-root "$work/exec" \
		--pidfile "$work/docker.pid" -H "$socket" --userland-proxy-path "$(command -v docker-proxy)" ${1-} >>"$work/daemon.log" 2>&1 &
	echo $! >"$work/pid"
	await e version
}
halt() {
	kill "$(cat "$work/pid")"
	await sh -c "! kill -0 $(cat "$work/pid") 2>/dev/null || grep -q Z /proc/$(cat "$work/pid")/stat"
}
mkdir "$home" "$work/bin"
sed "s|/usr/local/bin/ocibox|$runtime|" "$here/daemon.json" >"$work/daemon.json"
printf '#!/bin/sh\nexec %s -H %s "$@"\n' $docker "$socket" >"$command"
printf '#!/bin/sh\nexec timeout -k 5 60 %s "$@"\n' "$command" >"$work/bin/e"
chmod 755 "$command" "$work/bin/e"
export DOCKER_CONFIG=$work DOCKER_BUILDKIT=0
PATH=$work/bin:$PATH
daemon
path=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
tar -C "$ENGINES_ROOTFS" -c . | e import -c "ENV $path" - $image >/dev/null

restart_always() {
	e run -d --name box --restart always $image sh -c 'sleep 0.3; exit 1'
	await sh -c "[ \"\$(e inspect -f '{{.RestartCount}}' box)\" -ge 2 ]"
}
live_restore() {
	halt
	daemon --live-restore
	e run -d --name box $image sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
	before=$(e inspect -f '{{.State.Pid}}' box)
	halt
	kill -0 "$before"
	daemon --live-restore
	running box
	same "$before" e inspect -f '{{.State.Pid}}' box
	inside true
	e stop -t 10 box
	same 9 e inspect -f '{{.State.ExitCode}}' box
	halt
	daemon
}
daemon_restarted() {
	e run -d --name box --restart always $image sleep 1000
	halt
	daemon
	await running box
	inside true
}
shim_killed() {
	e run -d --name box $image sleep 1000
	kill -9 $(processes_of "containerd-shim-runc-v2.* -id $(e inspect -f '{{.Id}}' box)")
	await has false e inspect -f '{{.State.Running}}' box
	e start box
	running box
	inside true
}
remapped() {
	halt
	printf 'dockremap:500000:65536\n' >"$work/subids"
	for f in subuid subgid; do cat /etc/$f "$work/subids" >"$work/$f" && mount --bind "$work/$f" /etc/$f; done
	grep -v dockremap /etc/passwd >"$work/passwd" && echo dockremap:x:499:499::/:/bin/false >>"$work/passwd" && mount --bind "$work/passwd" /etc/passwd
	grep -v dockremap /etc/group >"$work/group" && echo dockremap:x:499: >>"$work/group" && mount --bind "$work/group" /etc/group
	daemon --userns-remap=dockremap
	tar -C "$ENGINES_ROOTFS" -c . | e import -c "ENV $path" - $image
	same '0 500000 65536' e run --rm $image sh -c 'echo $(cat /proc/self/uid_map)'
	same 0:0 e run --rm $image stat -c %u:%g /etc/passwd
	e run -d --name box -p 127.0.0.1:8083:80 $image sh -c "$serve"
	await served 127.0.0.1:8083
	same 0 inside id -u
	same 500000 stat -c %u "/proc/$(e inspect -f '{{.State.Pid}}' box)"
	e run --rm --userns host $image grep -q ' 0 *4294967295' /proc/self/uid_map
	e rm -f box
	halt
	umount /etc/subuid /etc/subgid /etc/passwd /etc/group
	daemon
}
pids_updated() {
	e run -d --name box $image sleep 1000
	e update --pids-limit 77 box
	same 77 limit pids/pids.max pids.max
}
mqueue() { e run --rm --ipc private $image grep -q mqueue /proc/mounts; }
oom_off() { e run --rm --oom-kill-disable --memory 32m $image true; }
weights() { e run --rm --cpu-shares 512 --memory-reservation 16m --memory-swappiness 10 --kernel-memory 32m $image true; }
cgroup_parent() {
	e run -d --name box --cgroup-parent /of/mine $image sleep 1000
	grep -q of/mine "/proc/$(e inspect -f '{{.State.Pid}}' box)/cgroup"
}
cgroupns() {
	[ "$(e run --rm --cgroupns private $image readlink /proc/self/ns/cgroup)" != "$(readlink /proc/self/ns/cgroup)" ]
	[ "$(e run --rm --cgroupns host $image readlink /proc/self/ns/cgroup)" = "$(readlink /proc/self/ns/cgroup)" ]
}
info() {
	same ocibox e info -f '{{.DefaultRuntime}}'
	lacks N/A e info -f '{{.RuncCommit.ID}}'
	! grep 'unknown output format' "$work/daemon.log"
}
events() {
	e run --rm --name box $image true
	has die e events --since 30s --until 0s --filter container=box
}

. "$here/common.sh"
common
check 'a healthcheck' health
check 'restart policy always' restart_always
check 'update of the pids limit' pids_updated
check '--cgroup-parent' cgroup_parent
check '--cgroupns' cgroupns
check '--ipc private' mqueue
check '--oom-kill-disable' oom_off
check '--cpu-shares, --memory-reservation and their like' weights
check 'info, and the version of the runtime' info
check 'events' events
check 'userns-remap' remapped
check 'the daemon restarted' daemon_restarted
check 'live-restore: the daemon restarted while a container runs' live_restore
check 'the shim killed' shim_killed
halt
