# The checks of what Podman has and Docker has not.

pods() {
	e pod create --name p --hostname pod -p 127.0.0.1:8082:80
	e run -d --pod p --name box $image sh -c "$serve"
	await served 127.0.0.1:8082
	same page e run --rm --pod p $image wget -q -O - http://127.0.0.1/index.html
	same pod e run --rm --pod p $image hostname
	e pod stop -t 0 p
	e pod start p
	await served 127.0.0.1:8082
	e pod rm -f -t 0 p
	gone
}
kube() {
	cat >"$home/pod.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: k}
spec:
  containers:
  - {name: one, image: $image, command: [sleep, "1000"], securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true}}
END
	e play kube "$home/pod.yaml"
	same 1000 e exec k-one id -u
	exits 1 e exec k-one touch /x
	e pod rm -f -t 0 k
}
mapped() {
	same "0 $map 1000" e run --rm --uidmap 0:$map:1000 --gidmap 0:$map:1000 $image sh -c 'echo $(cat /proc/self/uid_map)'
	same 0:0 e run --rm --uidmap 0:$map:1000 --gidmap 0:$map:1000 $image sh -c 'echo $(stat -c %u:%g /etc/passwd)'
	e run -d --name box --uidmap 0:$map:1000 $image sleep 1000
	[ $map = 1 ] || same 700000 stat -c %u "/proc/$(e inspect -f '{{.State.Pid}}' box)"
	same 0 inside id -u
}
monitor_killed() {
	e run -d --name box $image sleep 1000
	kill -9 "$(e inspect -f '{{.State.ConmonPid}}' box)"
	e exec box true || :
	e $remove box
	gone
}
systemd_mode() {
	has tmpfs e run --rm --systemd always $image sh -c 'grep " /run " /proc/mounts'
}
no_cgroups() { e run --rm --cgroups disabled $image true; }
files() {
	e run -d --name box --pidfile "$home/pid" --cidfile "$home/cid" $image sleep 1000
	kill -0 "$(cat "$home/pid")"
	has "$(cat "$home/cid")" e inspect box
}
rooted() { same root e run --rm --rootfs "$rootfs:O" sh -c 'id -un'; }
unmasked() {
	e run --rm --security-opt unmask=ALL $image sh -c '! mount | grep -q "on /proc/kcore"'
	e run --rm --security-opt mask=/proc/version $image sh -c 'test -z "$(cat /proc/version)"'
}
descriptors() { same x sh -c "$command run --rm --preserve-fds 1 $image sh -c 'cat <&3' 3<<END
x
END"; }
umask_tz() {
	same 0077 e run --rm --umask 0077 $image sh -c umask
	e run --rm --cgroupns host $image true
	e run --rm --timeout 1 $image sleep 100 || :
}
mounts() {
	has devpts e run --rm --mount type=devpts,destination=/pts $image grep /pts /proc/mounts
	same root: e run --rm --mount "type=image,source=$image,destination=/image" $image sh -c 'head -c 5 /image/etc/passwd; echo'
	has overlay e run --rm -v "$home:/over:O" $image grep /over /proc/mounts
}
init_start() {
	e create --name box $image sleep 1000
	e init box
	same initialized e inspect -f '{{.State.Status}}' box
	e start box
	running box
}
hooks() {
	mkdir -p "$home/hooks"
	printf '#!/bin/sh\ncat >%s/seen-$1\n' "$home" >"$home/hook" && chmod 755 "$home/hook"
	cat >"$home/hooks/h.json" <<END
{"version":"1.0.0","hook":{"path":"$home/hook","args":["hook","prestart"]},"when":{"always":true},"stages":["prestart"]}
END
	sed 's/"prestart"/"poststop"/g' "$home/hooks/h.json" >"$home/hooks/p.json"
	timeout 60 "$command" --hooks-dir "$home/hooks" run --rm $image true
	grep -q '"status":"created"' "$home/seen-prestart" || grep -q creat "$home/seen-prestart"
	await grep -q stopped "$home/seen-poststop"
}
idmapped() {
	mkdir -p "$home/ids" && touch "$home/ids/f"
	same 0 e run --rm --uidmap 0:$map:1000 --gidmap 0:$map:1000 -v "$home/ids:/ids:idmap" $image stat -c %u /ids/f
}
linux32() { [ "$(e run --rm --personality LINUX32 $image uname -m)" != "$(uname -m)" ]; }
shared_pid() {
	e pod create --name p --share pid,net,ipc
	e run -d --pod p --name box $image sleep 1000
	has 'sleep 1000' e run --rm --pod p $image ps
	e stop -t 0 box
	same exited e inspect -f '{{.State.Status}}' box
	e pod rm -f -t 0 p
}
no_conmon() { e run --rm --cgroups no-conmon $image true; }
keep_id() {
	same "$(host id -u)" e run --rm --userns keep-id $image id -u
	same "$(host id -u)" e run --rm --userns keep-id $image sh -c 'touch /tmp/x; stat -c %u /tmp/x'
}
nomap() { same 0 e run --rm --userns nomap $image id -u; }
auto() { has '0 ' e run --rm --userns auto:size=100 $image cat /proc/self/uid_map; }

podman_checks() {
	check 'a healthcheck, run by hand' health by-hand
	check 'a pod, its network and its port' pods
	check 'play kube' kube
	check '--uidmap' mapped
	check 'conmon killed' monitor_killed
	check '--systemd' systemd_mode
	check '--cgroups disabled' no_cgroups
	check '--pidfile and --cidfile' files
	check '--rootfs with an overlay' rooted
	check 'mask and unmask' unmasked
	check '--preserve-fds' descriptors
	check '--umask, --cgroupns host, --timeout' umask_tz
	check 'mounts of devpts, image and overlay' mounts
	check 'init and start' init_start
	check 'OCI hooks' hooks
	check '--personality' linux32
	check 'a pod with one pid namespace' shared_pid
	check '--cgroups no-conmon' no_conmon
}
