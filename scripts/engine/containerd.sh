# containerd, driven by ctr. Sourced by inside.
image=localhost/busybox:latest
socket=$work/containerd.sock
serve() { # start the daemon, and wait until it answers
	containerd --log-level warn --config "$work/config.toml" --root "$work/root" --state "$work/state" --address "$socket" >>"$work/daemon.log" 2>&1 &
	echo $! >"$work/pid"
	await timeout 5 ctr --address "$socket" version
}
sed "s|/usr/local/bin/ocibox|$runtime|" "$here/containerd.toml" >"$work/config.toml"
mkdir "$work/bin"
cat >"$work/bin/e" <<END
#!/bin/sh
exec timeout -k 5 60 ctr --address $socket "\$@"
END
cat >"$work/bin/start" <<END
#!/bin/sh
exec timeout --foreground -k 5 60 ctr --address $socket run --runc-binary $runtime "\$@"
END
chmod 755 "$work/bin/e" "$work/bin/start"
PATH=$work/bin:$PATH
serve
layout "$work/image.tar" "$image" sh
e image import "$work/image.tar"

tidy() {
	e task ls -q | while read -r id; do
		e task kill -a -s KILL "$id"
		await stopped "$id"
		e task rm -f "$id"
	done
	e container ls -q | while read -r id; do e container rm "$id"; done
}
status() { e task ls | awk -v id="$1" '$1 == id {print $3}'; }
stopped() { case "$(status "$1")" in STOPPED | '') ;; *) return 1 ;; esac; }
is() { [ "$(status c)" = "$1" ]; }
ended() { await stopped c; }
n=0
inside() {
	n=$((n + 1))
	e task exec --exec-id "x$$-$n-$(date +%N)" c "$@"
}
pid() { e task ls | awk '$1 == "c" {print $2}'; }

foreground() { same hello start --rm $image c echo hello; }
exit_codes() { for s in 0 1 42 126 127; do exits $s start --rm $image c sh -c "exit $s"; done; }
exit_137() {
	start -d $image c sleep 1000
	(sleep 0.5; e task kill -s KILL c) &
	exits 137 e task attach c
}
missing() { has 'no such file or directory' sh -c "start --rm $image c /absent || :"; }
denied() { has 'permission denied' sh -c "start --rm $image c /etc/passwd || :"; }
detached() {
	start -d $image c sleep 1000
	is RUNNING
	inside true
	e task kill -s KILL c
	ended
	e task rm c
}
sized='tty; until stty size | grep -q "33 111"; do sleep 0.1; done; touch /tmp/first; until stty size | grep -q "40 90"; do sleep 0.1; done; echo resized'
on_terminal() {
	(await inside test -e /tmp/first; touch "$work/resize") &
	got=$(terminal "start --rm -t $image c sh -c '$sized'") || fail "$got"
	case "$got" in */dev/pts/0*resized*) ;; *) fail "$got" ;; esac
}
exec_on_terminal() {
	start -d $image c sleep 1000
	(await inside test -e /tmp/first; touch "$work/resize") &
	got=$(terminal "e task exec -t --exec-id t c sh -c '$sized'") || fail "$got"
	case "$got" in */dev/pts/*resized*) ;; *) fail "$got" ;; esac
}
exec_plain() {
	start -d --env A=1 $image c sleep 1000
	same '1 /' inside sh -c 'echo $A $(pwd)'
	for s in 0 1 42 127; do exits $s inside sh -c "exit $s"; done
	has 'no such file' sh -c 'e task exec --exec-id y c /absent || :'
	same /tmp e task exec --exec-id z --cwd /tmp c pwd
	got=$(echo x | e task exec --exec-id i c cat)
	[ "$got" = x ]
}
attach() {
	start -d --log-uri "file://$work/out" $image c sh -c 'echo logged; sleep 1000'
	await grep -q logged "$work/out"
}
signals() {
	start -d $image c sh -c 'trap "exit 8" USR2; touch /ready; while :; do sleep 0.1; done'
	await inside test -e /ready
	(sleep 0.5; e task kill -s USR2 c) &
	exits 8 e task attach c
}
exec_killed() {
	start -d $image c sleep 1000
	(sleep 1; e task kill -s KILL --exec-id k c) &
	exits 137 e task exec --exec-id k c sleep 1000
	is RUNNING
}
kill_all() {
	start -d $image c sh -c 'sleep 1000 & sleep 1000 & wait'
	e task kill -a -s KILL c
	ended
	e task rm c
}
paused() {
	start -d $image c sh -c 'while :; do echo x >>/ticks; sleep 0.05; done'
	await inside test -s /ticks
	e task pause c
	is PAUSED
	e task resume c
	is RUNNING
	inside true
}
metrics() {
	start -d --memory-limit 67108864 $image c sh -c 'while :; do :; done'
	sleep 1
	has 'memory.usage' sh -c 'e task metrics c | sed "s/memory.current/memory.usage/"'
	has 'pids.current' e task metrics c
	e task metrics --format json c >"$work/metrics"
	grep -q '"cpu"' "$work/metrics" || grep -q usage_usec "$work/metrics"
}
processes() {
	start -d $image c sh -c 'sleep 1000 & wait'
	await inside sh -c 'ps | grep -q "[s]leep 1000"'
	[ "$(e task ps c | grep -c '^[0-9]')" = 2 ]
}
read_only() { exits 1 start --rm --read-only $image c touch /x; }
mounts() {
	mkdir -p "$work/bind" && echo x >"$work/bind/f"
	same x start --rm --mount "type=bind,src=$work/bind,dst=/b,options=rbind:ro" $image c cat /b/f
	exits 1 start --rm --mount "type=bind,src=$work/bind,dst=/b,options=rbind:ro" $image c touch /b/n
	same 1024 start --rm --mount "type=tmpfs,src=tmpfs,dst=/t,options=size=1m" $image c sh -c 'df -k /t | tail -n 1 | awk "{print \$2}"'
}
propagation() {
	mkdir -p "$work/shared" && mount -t tmpfs tmpfs "$work/shared" && mount --make-shared "$work/shared" && mkdir "$work/shared/sub"
	start -d --mount "type=bind,src=$work/shared,dst=/s,options=rbind:rslave" $image c sleep 1000
	mount -t tmpfs tmpfs "$work/shared/sub" && touch "$work/shared/sub/seen"
	inside test -e /s/sub/seen
}
caps() {
	same 0 start --rm --cap-drop CAP_CHOWN $image c sh -c 'echo $((0x$(sed -n "s/^CapEff:.//p" /proc/self/status) & 1))'
	same 2097152 start --rm --cap-add CAP_SYS_ADMIN $image c sh -c 'echo $((0x$(sed -n "s/^CapEff:.//p" /proc/self/status) & 2097152))'
}
no_new_privs() {
	same 1 start --rm $image c sh -c 'sed -n "s/^NoNewPrivs:.//p" /proc/self/status'
	same 0 start --rm --allow-new-privs $image c sh -c 'sed -n "s/^NoNewPrivs:.//p" /proc/self/status'
}
seccomp() {
	same 2 start --rm --seccomp $image c sh -c 'sed -n "s/^Seccomp:.//p" /proc/self/status'
	same 0 start --rm $image c sh -c 'sed -n "s/^Seccomp:.//p" /proc/self/status'
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO"}]}' >"$work/seccomp.json"
	exits 1 start --rm --seccomp --seccomp-profile "$work/seccomp.json" $image c chmod 700 /tmp
}
devices() {
	start --rm --device /dev/full $image c test -c /dev/full
	start --rm --privileged $image c test -c /dev/kmsg
	has 'not permitted' start --rm --cap-add CAP_MKNOD $image c sh -c 'mknod /tmp/k c 1 11 && true >/tmp/k || :'
}
memory() {
	exits 137 start --rm --memory-limit 33554432 $image c sh -c 'exec tail /dev/zero'
}
cpus() {
	start -d --cpus 0.5 $image c sleep 1000
	case "$(cat /sys/fs/cgroup/*/default/c/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/default/c/cpu.max)" in 50000*) ;; *) return 1 ;; esac
}
oom_told() {
	e events >"$work/events" 2>&1 &
	events=$!
	sleep 1
	start -d --memory-limit 33554432 $image c sh -c 'tail /dev/zero; sleep 1000'
	await grep -q /tasks/oom "$work/events"
	kill $events
	for word in create start; do grep -q "/tasks/$word" "$work/events"; done
}
host_net() { same "$(readlink /proc/self/ns/net)" start --rm --net-host $image c readlink /proc/self/ns/net; }
joined() {
	start -d $image c sleep 1000
	ns=$(inside readlink /proc/self/ns/net)
	same "$ns" start --rm --with-ns "network:/proc/$(pid)/ns/net" $image d readlink /proc/self/ns/net
}
mapped() {
	chmod 755 "$work"
	same '0 700000 1000' start --rm --uidmap 0:700000:1000 --gidmap 0:700000:1000 $image c sh -c 'echo $(cat /proc/self/uid_map)'
}
cgroup_path() {
	start -d --cgroup /some/where $image c sleep 1000
	grep -q some/where "/proc/$(pid)/cgroup"
}
no_pivot() { same hello start --rm --no-pivot $image c echo hello; }
own_rootfs() {
	cp -r "$ENGINES_ROOTFS" "$work/own"
	same hello start --rm --rootfs "$work/own" c echo hello
	rm -r "$work/own"
}
pid_file() {
	start -d --pid-file "$work/task.pid" $image c sleep 1000
	[ "$(cat "$work/task.pid")" = "$(pid)" ]
}
restarted() {
	start -d $image c sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
	before=$(pid)
	kill "$(cat "$work/pid")"
	await sh -c "! kill -0 $(cat "$work/pid") 2>/dev/null || grep -q Z /proc/$(cat "$work/pid")/stat"
	serve
	is RUNNING
	[ "$(pid)" = "$before" ]
	inside true
	(sleep 0.5; e task kill c) &
	exits 9 e task attach c
}
shim_killed() {
	start -d $image c sleep 1000
	init=$(pid)
	kill -9 $(processes_of 'containerd-shim-runc-v2.* -id c ')
	await sh -c "! kill -0 $init 2>/dev/null || grep -q Z /proc/$init/stat"
	await stopped c
	await e container rm c
	[ "$runtime_name" != ocibox ] || await same '' "$runtime" --root /run/containerd/runc/default list -q
	start -d $image c true
}
ten() {
	for i in 1 2 3 4 5 6 7 8 9 10; do start -d $image "t$i" sleep 1000 & pids="${pids-} $!"; done
	for p in $pids; do wait "$p" || fail 'one of ten did not start'; done
	[ "$(e task ls | grep -c RUNNING)" = 10 ]
}
none_left() {
	start --rm $image c true
	same '' e container ls -q
	! "$runtime" --root /run/containerd/runc/default list -q | grep .
}

check 'run in the foreground' foreground
check 'exit codes 0, 1, 42, 126, 127' exit_codes
check 'exit code 137: killed' exit_137
check 'a program that is not there' missing
check 'a program that may not be executed' denied
check 'run detached, kill and delete' detached
check 'run -t and a resized terminal' on_terminal
check 'exec, its options and exit codes' exec_plain
check 'exec -t and a resized terminal' exec_on_terminal
check 'exec killed' exec_killed
check '--log-uri' attach
check 'kill with a signal, attach' signals
check 'kill --all' kill_all
check 'pause and resume' paused
check 'metrics' metrics
check 'ps' processes
check '--read-only' read_only
check '--mount' mounts
check 'bind propagation' propagation
check '--cap-add and --cap-drop' caps
check '--allow-new-privs' no_new_privs
check '--seccomp: default, custom, none' seccomp
check '--device, --privileged, what is denied' devices
check '--memory-limit' memory
check '--cpus' cpus
check 'the event of a shortage of memory' oom_told
check '--net-host' host_net
check '--with-ns' joined
check '--uidmap' mapped
check '--cgroup' cgroup_path
check '--no-pivot' no_pivot
check '--rootfs' own_rootfs
check '--pid-file' pid_file
check '--rm leaves nothing' none_left
check 'ten containers at once' ten
check 'checkpoint and restore' skip 'it takes CRIU, which ocibox does not speak to'
check 'the daemon restarted while a container runs' restarted
check 'the shim killed' shim_killed
kill "$(cat "$work/pid")"
