# containerd's CRI plugin, driven by crictl as a kubelet would. Sourced by
# inside.
image=localhost/busybox:latest
socket=$work/containerd.sock
serve() { # start the daemon, and wait until it and its network are ready
	containerd --log-level warn --config "$work/config.toml" --root "$work/root" --state "$work/state" --address "$socket" >>"$work/daemon.log" 2>&1 &
	echo $! >"$work/pid"
	await sh -c 'e info | grep -A 1 "\"status\": true" | grep -q NetworkReady'
}
mkdir "$work/bin" "$work/cni" "$work/logs"
cat "$here/containerd.toml" - <<END | sed "s|/usr/local/bin/ocibox|$runtime|" >"$work/config.toml"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$image"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "$work/cni"
END
cat >"$work/cni/net.conflist" <<END
{"cniVersion": "0.4.0", "name": "net", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local", "dataDir": "$work/ipam", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
printf 'runtime-endpoint: unix://%s\nimage-endpoint: unix://%s\ntimeout: 30\n' "$socket" "$socket" >"$work/crictl.yaml"
printf '#!/bin/sh\nexec timeout --foreground -k 5 60 %s --config %s "$@"\n' "$ENGINES_CRICTL" "$work/crictl.yaml" >"$work/bin/e"
chmod 755 "$work/bin/e"
PATH=$work/bin:$PATH
serve
layout "$work/image.tar" "$image" 'exec sleep 100000'
ctr --address "$socket" -n k8s.io image import "$work/image.tar" >/dev/null

tidy() { e rmp -a -f; }
# pod NAME [LINUX [MORE]]: run one of the host name $hostname, with a linux part
# and more fields of its configuration; its id is in $sandbox.
hostname=p
pod() {
	printf '{"metadata":{"name":"%s","namespace":"default","uid":"%s","attempt":1},"hostname":"%s","log_directory":"%s","linux":{%s}%s}' \
		"$1" "$1" "$hostname" "$work/logs" "${2-}" "${3-}" >"$work/$1.json"
	sandbox=$(e runp "$work/$1.json")
	of=$work/$1.json
}
# box NAME COMMAND [LINUX [MORE]]: run a container in that pod; its id is in $id.
box() {
	printf '{"metadata":{"name":"%s"},"image":{"image":"%s"},"command":["sh","-c","%s"],"log_path":"%s.log","stdin":true,"linux":{%s}%s}' \
		"$1" "$image" "$2" "$1" "${3-}" "${4-}" >"$work/box-$1.json"
	id=$(e create "$sandbox" "$work/box-$1.json" "$of")
	e start "$id"
}
in_box() { e exec -s "$id" "$@"; }
exited() { e inspect "$1" | grep -q CONTAINER_EXITED; }
code() { e inspect "$1" | sed -n 's/.*"exitCode": \([0-9]*\).*/\1/p'; }

runs() {
	pod p
	box c 'sleep 1000'
	same hello in_box echo hello
	same p in_box hostname
	has "$id" e ps --no-trunc
	has Ready e pods
}
by_class() { # as the kubelet reads a RuntimeClass
	printf '{"metadata":{"name":"p","namespace":"default","uid":"p","attempt":1},"log_directory":"%s","linux":{}}' "$work/logs" >"$work/p.json"
	sandbox=$(e runp --runtime "$(sed -n 's/^handler: //p' "$here/runtimeclass.yaml")" "$work/p.json") of=$work/p.json
	box c 'sleep 1000'
	same hello in_box echo hello
}
codes() {
	pod p
	for n in 0 1 42; do
		box "c$n" "exit $n"
		await exited "$id"
		[ "$(code "$id")" = $n ]
	done
	box c 'sleep 1000'
	for n in 0 1 42; do
		got=0
		in_box sh -c "exit $n" || got=$?
		[ $n = 0 ] || [ $got != 0 ]
	done
}
missing() {
	pod p
	printf '{"metadata":{"name":"m"},"image":{"image":"%s"},"command":["/absent"],"log_path":"m.log","linux":{}}' "$image" >"$work/box-m.json"
	id=$(e create "$sandbox" "$work/box-m.json" "$of")
	has 'no such file or directory' sh -c "e start $id || :"
}
logs() {
	pod p
	box c 'echo out; echo err >&2; sleep 1000'
	await has out e logs "$id"
	has err e logs "$id"
}
on_terminal() {
	pod p
	box c 'sleep 1000'
	(await in_box test -e /tmp/first; touch "$work/resize") &
	got=$(terminal "e exec -it $id sh -c 'tty; until stty size | grep -q \"33 111\"; do sleep 0.1; done; touch /tmp/first; until stty size | grep -q \"40 90\"; do sleep 0.1; done; echo resized'") || fail "$got"
	case "$got" in */dev/pts/*resized*) ;; *) fail "$got" ;; esac
}
attach() {
	pod p
	box c 'read x; echo got $x; sleep 1'
	has 'got word' sh -c "{ sleep 0.5; echo word; sleep 1; } | e attach -i $id"
}
forward() {
	pod p
	box c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
	e port-forward "$sandbox" 8084:80 &
	await same page busybox wget -q -O - http://127.0.0.1:8084/index.html
	kill $!
}
ports() {
	pod p '' ',"port_mappings":[{"protocol":0,"container_port":80,"host_port":8085}]'
	box c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
	ip=$(e inspectp "$sandbox" | sed -n 's/.*"ip": "\(10[^"]*\)".*/\1/p' | head -n 1)
	await same page busybox wget -q -O - "http://$ip/index.html"
	await same page busybox wget -q -O - "http://$ip:80/index.html"
}
shared() {
	pod p
	own='"security_context":{"namespace_options":{"pid":1}}'
	box one 'sleep 1000' "$own"
	first=$id
	box two 'sleep 1000' "$own"
	for n in net ipc uts; do same "$(e exec -s "$first" readlink /proc/self/ns/$n)" in_box readlink /proc/self/ns/$n; done
	[ "$(e exec -s "$first" readlink /proc/self/ns/pid)" != "$(in_box readlink /proc/self/ns/pid)" ]
}
shared_pid() {
	pod p '"security_context":{"namespace_options":{"pid":0}}'
	box one 'sleep 1000' '"security_context":{"namespace_options":{"pid":0}}'
	box two 'sleep 2000' '"security_context":{"namespace_options":{"pid":0}}'
	has 'sleep 1000' in_box ps
	has 'sleep 100000' in_box ps
}
host_ns() {
	hostname=
	pod p '"security_context":{"namespace_options":{"network":2,"pid":2,"ipc":2}}'
	box c 'sleep 1000' '"security_context":{"namespace_options":{"network":2,"pid":2,"ipc":2}}'
	for n in net pid ipc; do same "$(readlink /proc/self/ns/$n)" in_box readlink /proc/self/ns/$n; done
}
stops() {
	pod p
	box c 'trap \"exit 9\" TERM; echo ready; while :; do sleep 0.1; done'
	await has ready e logs "$id"
	e stop -t 20 "$id"
	[ "$(code "$id")" = 9 ]
	box d 'trap \"\" TERM; echo ready; while :; do sleep 0.1; done'
	await has ready e logs "$id"
	e stop -t 1 "$id"
	[ "$(code "$id")" = 137 ]
	e rm "$id"
}
removed() {
	pod p
	box c 'sleep 1000'
	e stopp "$sandbox"
	e rmp "$sandbox"
	same '' e pods -q
	! "$runtime" --root /run/containerd/runc/k8s.io list -q | grep .
}
limits() {
	pod p
	box c 'sleep 1000' '"resources":{"memory_limit_in_bytes":67108864,"cpu_quota":50000,"cpu_period":100000}'
	at=$(in_box sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')
	[ "$at" = 67108864 ]
	e update --memory 50331648 "$id"
	at=$(in_box sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')
	[ "$at" = 50331648 ]
}
oom() {
	pod p
	box c 'exec tail /dev/zero' '"resources":{"memory_limit_in_bytes":33554432}'
	await exited "$id"
	[ "$(code "$id")" = 137 ]
	await has OOMKilled e inspect "$id"
}
stats() {
	pod p
	box c 'while :; do :; done'
	await sh -c "e stats --id $id | grep -q ' [1-9][0-9.]* *[0-9.]*[kM]B'"
}
secured() {
	pod p
	box c 'sleep 1000' '"security_context":{"run_as_user":{"value":1000},"run_as_group":{"value":1000},"supplemental_groups":[7],"readonly_rootfs":true,"no_new_privs":true,"seccomp":{"profile_type":0},"capabilities":{"drop_capabilities":["ALL"]},"masked_paths":["/proc/kcore"],"readonly_paths":["/proc/sys"]}'
	same '1000:1000 1000 7' in_box sh -c 'echo $(id -u):$(id -g) $(id -G)'
	same '1 2' in_box sh -c 'echo $(sed -n "s/^NoNewPrivs:.//p;s/^Seccomp:.//p" /proc/self/status)'
	lacks x sh -c "e exec -s $id touch /x 2>/dev/null && echo x || :"
	has 0000000000000000 in_box grep CapEff /proc/self/status
	box d 'sleep 1000' '"security_context":{"seccomp":{"profile_type":1}}'
	same 0 in_box sh -c 'sed -n "s/^Seccomp:.//p" /proc/self/status'
}
sysctls() {
	pod p '"sysctls":{"net.ipv4.ip_unprivileged_port_start":"99"}'
	box c 'sleep 1000'
	same 99 in_box cat /proc/sys/net/ipv4/ip_unprivileged_port_start
}
mounts() {
	mkdir -p "$work/vol" && mount -t tmpfs tmpfs "$work/vol" && mount --make-shared "$work/vol" && mkdir "$work/vol/sub" && touch "$work/vol/f"
	pod p
	box c 'sleep 1000' '' ",\"mounts\":[{\"host_path\":\"$work/vol\",\"container_path\":\"/v\",\"propagation\":1},{\"host_path\":\"$work/vol\",\"container_path\":\"/r\",\"readonly\":true}]"
	in_box test -e /v/f
	lacks x sh -c "e exec -s $id touch /r/x 2>/dev/null && echo x || :"
	mount -t tmpfs tmpfs "$work/vol/sub" && touch "$work/vol/sub/seen"
	in_box test -e /v/sub/seen
	umount "$work/vol/sub"
}
bidirectional() {
	pod p '"security_context":{"privileged":true}'
	mount -t tmpfs tmpfs "$work/vol" && mount --make-shared "$work/vol" && mkdir "$work/vol/sub"
	box c 'sleep 1000' '"security_context":{"privileged":true}' ",\"mounts\":[{\"host_path\":\"$work/vol\",\"container_path\":\"/v\",\"propagation\":2}]"
	in_box mount -t tmpfs tmpfs /v/sub
	in_box touch /v/sub/back
	[ -e "$work/vol/sub/back" ]
}
restarted() {
	pod p
	box c 'trap \"exit 9\" TERM; echo ready; while :; do sleep 0.1; done'
	await has ready e logs "$id"
	kill "$(cat "$work/pid")"
	await sh -c "! kill -0 $(cat "$work/pid") 2>/dev/null || grep -q Z /proc/$(cat "$work/pid")/stat"
	serve
	in_box true
	e stop -t 20 "$id"
	[ "$(code "$id")" = 9 ]
}
shim_killed() {
	pod p
	box c 'sleep 1000'
	kill -9 $(processes_of "containerd-shim-runc-v2.* -id $sandbox ")
	await exited "$id"
	e rmp -f "$sandbox"
	same '' e pods -q
	pod p
	box c 'sleep 1000'
	in_box true
}
ten() {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		(pod "p$i"; box "c$i" 'sleep 1000'; in_box true) &
		pids="${pids-} $!"
	done
	for p in $pids; do wait "$p" || fail 'one of ten did not start'; done
}

check 'a pod, a container and exec' runs
check 'a pod by the handler of the RuntimeClass' by_class
check 'exit codes' codes
check 'a program that is not there' missing
check 'logs' logs
check 'exec -it and a resized terminal' on_terminal
check 'attach' attach
check 'port-forward' forward
check "a pod's address and ports" ports
check 'what the containers of a pod share' shared
check 'a pod with one pid namespace' shared_pid
check "a pod with the host's namespaces" host_ns
check 'stop, handled and with a timeout' stops
check 'a pod stopped and removed leaves nothing' removed
check 'limits and their update' limits
check 'a shortage of memory' oom
check 'stats' stats
check 'a security context' secured
check 'sysctls' sysctls
check 'mounts, read-only and propagated' mounts
check 'mounts propagated both ways' bidirectional
check 'ten pods at once' ten
check 'the daemon restarted while a pod runs' restarted
check "a pod's shim killed" shim_killed
kill "$(cat "$work/pid")"
