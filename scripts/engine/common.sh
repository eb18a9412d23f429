# The checks of the commands that Docker and Podman share. e is the engine's
# command, $image a busybox, $pausable whether its containers can be paused.

gone() { same '' e ps -aq; }
running() { has true e inspect -f '{{.State.Running}}' "$1"; }
tidy() { e ps -aq | while read -r id; do e $remove "$id"; done; }
inside() { e exec box "$@"; }

foreground() { same hello e run --rm $image echo hello; }
detached() {
	e run -d --name box $image sh -c 'echo out; echo err >&2; exit 3'
	same 3 e wait box
	same out e logs box 2>/dev/null
	has err e logs box
}
piped() {
	got=$(printf 'one\ntwo\n' | e run --rm -i $image wc -l)
	[ "$got" -eq 2 ]
}
sized='tty; until stty size | grep -q "33 111"; do sleep 0.1; done; touch /tmp/first; until stty size | grep -q "40 90"; do sleep 0.1; done; echo resized'
on_terminal() {
	(await inside test -e /tmp/first; touch "$work/resize") &
	got=$(terminal "$command run --rm -it --name box $image sh -c '$sized'") || fail "$got"
	case "$got" in */dev/pts/0*resized*) ;; *) fail "$got" ;; esac
}
exec_on_terminal() {
	e run -d --name box $image sleep 1000
	(await inside test -e /tmp/first; touch "$work/resize") &
	got=$(terminal "$command exec -it box sh -c '$sized'") || fail "$got"
	case "$got" in */dev/pts/*resized*) ;; *) fail "$got" ;; esac
}
exec_plain() {
	e run -d --name box -e A=1 $image sleep 1000
	same 'uid=0(root) gid=0(root)' e exec box sh -c 'id | cut -d " " -f 1-2'
	same 1000:5 e exec -u 1000:5 box sh -c 'echo $(id -u):$(id -g)'
	same '/tmp 1 2' e exec -w /tmp -e B=2 box sh -c 'echo $(pwd) $A $B'
	got=$(echo x | e exec -i box cat)
	[ "$got" = x ]
	for n in 0 1 42; do exits $n e exec box sh -c "exit $n"; done
	exits $absent e exec box /absent
	exits 126 e exec box /etc/passwd
	exits 137 e exec box sh -c 'kill -9 $$'
	e exec -d box touch /detached
	await inside test -e /detached
	has CapEff e exec --privileged box grep CapEff: /proc/self/status
}
exit_codes() { for n in 0 1 42; do exits $n e run --rm $image sh -c "exit $n"; done; }
exit_125() {
	exits 125 e run --rm --no-such-option $image true
}
exit_126() { exits 126 e run --rm $image /etc/passwd; exits 126 e run --rm $image /etc; }
exit_127() { exits 127 e run --rm $image /absent; exits 127 e run --rm $image absent; }
exit_137() {
	e run -d --name box $image sleep 1000
	e kill box
	same 137 e wait box
}
logs() {
	e run -d --name box $image sh -c 'for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done'
	got=$(e logs -f box | tail -n 1)
	[ "$got" = 'line 5' ] || fail "$got"
	same 'line 5' e logs --tail 1 box
	has T e logs -t box
}
attach() {
	e run -d -i --name box $image sh -c 'read x; echo got $x; exit 7'
	got=$({ sleep 0.5; echo word; sleep 0.5; } | e attach box || :)
	[ "$got" = 'got word' ] || fail "$got"
	same 7 e wait box
}
stop_handled() {
	e run -d --name box $image sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	await has ready e logs box
	e stop -t 20 box
	same 9 e inspect -f '{{.State.ExitCode}}' box
}
stop_killed() {
	e run -d --name box $image sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	await has ready e logs box
	e stop -t 1 box
	same 137 e inspect -f '{{.State.ExitCode}}' box
}
stop_signal() {
	e run -d --name box --stop-signal USR1 $image sh -c 'trap "exit 8" USR1; echo ready; while :; do sleep 0.1; done'
	await has ready e logs box
	e stop -t 20 box
	same 8 e inspect -f '{{.State.ExitCode}}' box
}
kill_signal() {
	e run -d --name box $image sh -c 'trap "exit 8" USR2; echo ready; while :; do sleep 0.1; done'
	await has ready e logs box
	e kill -s USR2 box
	same 8 e wait box
}
paused() {
	limited
	e run -d --name box $image sh -c 'while :; do echo x >>/ticks; sleep 0.05; done'
	await inside test -s /ticks
	e pause box
	same paused e inspect -f '{{.State.Status}}' box
	e unpause box
	same running e inspect -f '{{.State.Status}}' box
	e exec box true
	e pause box
	e $remove box
}
restarts() {
	e run -d --name box --restart on-failure:2 $image sh -c 'exit 5'
	await same 2 e inspect -f '{{.RestartCount}}' box
	await same exited e inspect -f '{{.State.Status}}' box
	same 5 e inspect -f '{{.State.ExitCode}}' box
}
restarted() {
	e run -d --name box $image sh -c 'echo up; sleep 1000'
	await has up e logs box
	e restart -t 0 box
	running box
	e stop -t 0 box
	e start box
	running box
	e exec box true
}
created() {
	e create --name box $image sh -c 'echo started; exit 4'
	same created e inspect -f '{{.State.Status}}' box
	got=$(e start -a box || echo $?)
	[ "$got" = 'started
4' ] || fail "$got"
}
removed() {
	e run --rm $image true
	gone
	! "$runtime" list -q | grep .
}
read_only() {
	exits 1 e run --rm --read-only $image touch /x
	e run --rm --read-only --tmpfs /scratch $image touch /scratch/x
}
tmpfs() {
	same '1024 1777' e run --rm --tmpfs /t:size=1m,mode=1777 $image sh -c 'echo $(df -k /t | tail -n 1 | awk "{print \$2}") $(stat -c %a /t)'
	has noexec e run --rm --tmpfs /t:noexec $image grep ' /t ' /proc/mounts
}
binds() {
	mkdir -p "$home/bind" && echo x >"$home/bind/file" && chmod -R a+rwX "$home/bind"
	same x e run --rm -v "$home/bind:/b" $image cat /b/file
	e run --rm -v "$home/bind:/b" $image touch /b/new
	[ -e "$home/bind/new" ]
	exits 1 e run --rm -v "$home/bind:/b:ro" $image touch /b/other
	same x e run --rm -v "$home/bind/file:/etc/one" $image cat /etc/one
	same x e run --rm --mount "type=bind,src=$home/bind,dst=/b,readonly" $image cat /b/file
}
propagation() {
	mkdir -p "$home/shared" && mount -t tmpfs tmpfs "$home/shared" && mount --make-shared "$home/shared" && mkdir "$home/shared/sub"
	e run -d --name box -v "$home/shared:/s:rslave" $image sleep 1000
	mount -t tmpfs tmpfs "$home/shared/sub" && touch "$home/shared/sub/seen"
	inside test -e /s/sub/seen
	e $remove box
	umount "$home/shared/sub"
	# Nothing propagates out of a user namespace.
	[ "$engine" != podman-rootless ] || return 0
	e run -d --name box --cap-add sys_admin --security-opt apparmor=unconfined --security-opt seccomp=unconfined -v "$home/shared:/s:rshared" $image sleep 1000
	inside mount -t tmpfs tmpfs /s/sub
	inside touch /s/sub/back
	[ -e "$home/shared/sub/back" ]
	e $remove box
	e run -d --name box -v "$home/shared:/s:rprivate" $image sleep 1000
	umount "$home/shared/sub"
	inside test -e /s/sub/back
	e $remove box
	umount "$home/shared"
}
volumes() {
	e volume create vol
	e run --rm -v vol:/v $image sh -c 'echo kept >/v/f'
	same kept e run --rm -v vol:/v $image cat /v/f
	has root: e run --rm -v copied:/etc $image cat /etc/passwd
	e volume rm vol copied
}
users() {
	same 1000:1000 e run --rm --user 1000:1000 $image sh -c 'echo $(id -u):$(id -g)'
	same 0:0 e run --rm --user root $image sh -c 'echo $(id -u):$(id -g)'
	has 1234 e run --rm --user 1000 --group-add 1234 $image id -G
	exits 1 e run --rm --user 1000 $image touch /x
}
effective() { e run --rm "$@" $image sh -c 'cat /proc/self/status | sed -n "s/^CapEff:.0*//p"'; }
capabilities() {
	same '' effective --cap-drop all
	same 400 effective --cap-drop all --cap-add net_bind_service
	same '' effective --user 1000
	first=$(effective)
	[ "$(effective --cap-drop chown)" = "$(printf %x $((0x$first & ~1)))" ]
	exits 1 e run --rm --cap-drop chown $image chown 5 /tmp
}
no_new_privs() {
	same 1 e run --rm --security-opt no-new-privileges $image sh -c 'sed -n "s/^NoNewPrivs:.//p" /proc/self/status'
}
seccomp() {
	same 2 e run --rm $image sh -c 'sed -n "s/^Seccomp:.//p" /proc/self/status'
	same 0 e run --rm --security-opt seccomp=unconfined $image sh -c 'sed -n "s/^Seccomp:.//p" /proc/self/status'
	exits 1 e run --rm --cap-add sys_time --cap-drop sys_admin $image unshare -m true
	echo '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO"}]}' >"$home/seccomp.json"
	chmod 644 "$home/seccomp.json"
	exits 1 e run --rm --security-opt "seccomp=$home/seccomp.json" $image chmod 700 /tmp
	e run --rm --security-opt "seccomp=$home/seccomp.json" $image touch /tmp/x
}
devices() {
	e run --rm --device /dev/full $image sh -c 'test -c /dev/full && ! echo x >/dev/full'
	e run --rm --device /dev/zero:/dev/nil $image head -c 1 /dev/nil
}
devices_denied() {
	limited
	has 'not permitted' e run --rm --device /dev/kmsg:/dev/kmsg:r $image sh -c 'true >/dev/kmsg || :'
	e run --rm --cap-add mknod $image sh -c 'mknod /tmp/d b 254 0 && ! dd if=/tmp/d of=/dev/null count=1'
}
privileged() {
	e run --rm --privileged $image sh -c 'mount -t tmpfs tmpfs /mnt 2>/dev/null || { mkdir /m && mount -t tmpfs tmpfs /m; }'
	same 0 e run --rm --privileged $image sh -c 'sed -n "s/^Seccomp:.//p" /proc/self/status'
}
# limited: skip where the engine limits nothing.
limited() {
	[ "$engine" != podman-rootless ] || skip 'without a cgroup that was given to the user, Podman limits nothing'
}
memory() {
	limited
	e run --rm --memory 32m $image true
	exits 137 e run --rm --memory 32m --memory-swap 32m $image sh -c 'exec tail /dev/zero'
}
oom() {
	limited
	exits 137 e run --name box --memory 32m --memory-swap 32m $image sh -c 'exec tail /dev/zero'
	has true e inspect -f '{{.State.OOMKilled}}' box
}
processes() {
	limited
	has x e run --rm --pids-limit 5 $image sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait; echo x' 2>&1 || :
	got=$(e run --rm --pids-limit 5 $image sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo all' 2>&1 || :)
	case "$got" in *"can't fork"*) ;; *) fail "$got" ;; esac
}
# limit FILE1 FILE2: one of the cgroup's files, of version 1 or 2.
limit() { inside sh -c "cat /sys/fs/cgroup/$1 2>/dev/null || cat /sys/fs/cgroup/$2 2>/dev/null || cat /sys/fs/cgroup/*/$1"; }
cpus() {
	limited
	e run -d --name box --cpus 0.5 $image sleep 1000
	case "$(limit cpu/cpu.cfs_quota_us cpu.max)" in '50000' | '50000 100000') ;; *) fail "$(limit cpu/cpu.cfs_quota_us cpu.max)" ;; esac
}
cpuset() {
	limited
	same 0 e run --rm --cpuset-cpus 0 $image sh -c 'sed -n "s/^Cpus_allowed_list:.//p" /proc/self/status'
}
updated() {
	limited
	e run -d --name box --memory 64m --memory-swap 128m $image sleep 1000
	e update --memory 48m --memory-swap 96m --cpus 0.3 box
	same 50331648 limit memory/memory.limit_in_bytes memory.max
	case "$(limit cpu/cpu.cfs_quota_us cpu.max)" in '30000' | '30000 100000') ;; *) fail "$(limit cpu/cpu.cfs_quota_us cpu.max)" ;; esac
}
stats() {
	limited
	e run -d --name box --memory 64m $image sh -c 'while :; do :; done'
	sleep 1
	got=$(e stats --no-stream --format '{{.MemUsage}} {{.PIDs}} {{.CPUPerc}}' box)
	case "$got" in *"/ 6"*' 1 '*) ;; *) fail "$got" ;; esac
	case "$got" in *' 0.00%') fail "$got" ;; esac
}
top_of() {
	e run -d --name box $image sh -c 'sleep 1000 & wait'
	has 'sleep 1000' e top box
	has PID e top box
}
health() {
	e run -d --name box --health-cmd 'test -e /ok' --health-retries 1 $health $image sh -c 'sleep 1000'
	[ -z "${1-}" ] || exits 1 e healthcheck run box
	await has unhealthy e inspect -f '{{.State.Health.Status}}' box
	inside touch /ok
	[ -z "${1-}" ] || e healthcheck run box
	await same healthy e inspect -f '{{.State.Health.Status}}' box
}
with_init() {
	e run -d --name box --init $image sleep 1000
	has init inside sh -c 'cat /proc/1/cmdline | tr "\0" " "'
	exits 5 e run --rm --init $image sh -c 'exit 5'
}
namespaces() {
	for n in $host_namespaces; do
		[ "$(e run --rm --$n host $image readlink /proc/self/ns/$n)" = "$(host readlink /proc/self/ns/$n)" ] || fail "--$n host"
		[ "$(e run --rm $image readlink /proc/self/ns/$n)" != "$(host readlink /proc/self/ns/$n)" ] || fail "$n is the host's"
	done
}
joined() {
	e run -d --name box $ipc $image sleep 1000
	for n in pid ipc net; do
		[ "$(e run --rm --$n container:box $image readlink /proc/self/ns/$n)" = "$(inside readlink /proc/self/ns/$n)" ] || fail "--$n container"
	done
	has sleep e run --rm --pid container:box $image ps
}
net_none() { same lo e run --rm --network none $image ls /sys/class/net; }
net_host() { has "LOOPBACK" e run --rm --network host $image ip link; }
served() { # PORT on this host's loopback serves what container box has
	same page busybox wget -q -O - "http://$1/index.html"
}
serve='mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
net_published() {
	e run -d --name box -p 127.0.0.1:8081:80 $image sh -c "$serve"
	await served 127.0.0.1:8081
	has 8081 e port box
}
net_dns() {
	e network create n1
	e run -d --name box --network n1 $image sh -c "$serve"
	got=
	for i in 1 2 3 4 5 6; do
		got=$(e run --rm --network n1 $image wget -q -O - http://box/index.html 2>&1) && break
		sleep 0.5
	done
	e $remove box
	e network rm n1
	[ "$got" = page ] || fail "$got"
}
net_default() { has "$link" e run --rm $image ls /sys/class/net; }
sysctls() { same 40001 e run --rm --sysctl kernel.msgmax=40001 $image cat /proc/sys/kernel/msgmax; same 1 e run --rm --sysctl net.ipv4.conf.all.accept_local=1 $image cat /proc/sys/net/ipv4/conf/all/accept_local; }
ulimits() { same '100 200' e run --rm --ulimit nofile=100:200 --ulimit nproc=500:500 $image sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)'; }
shm() { same 2048 e run --rm --shm-size 2m $image sh -c 'df -k /dev/shm | tail -n 1 | awk "{print \$2}"'; }
ten() {
	for i in 1 2 3 4 5 6 7 8 9 10; do e run -d --name "t$i" $image sh -c "echo $i; sleep 1000" & pids="${pids-} $!"; done
	for p in $pids; do wait "$p" || fail "one of ten did not start"; done
	for i in 1 2 3 4 5 6 7 8 9 10; do await same "$i" e logs "t$i"; done
	pids=
	for i in 1 2 3 4 5 6 7 8 9 10; do e $remove "t$i" & pids="$pids $!"; done
	for p in $pids; do wait "$p" || fail "one of ten did not go"; done
	gone
}
names() {
	same box e run --rm --hostname box $image hostname
	has '10.9.8.7' e run --rm --add-host other:10.9.8.7 $image cat /etc/hosts
	same /root e run --rm --workdir /root $image pwd
	same v e run --rm -e K=v $image sh -c 'echo $K'
	same 'a b' e run --rm --entrypoint echo $image a b
	same 500 e run --rm --oom-score-adj 500 $image cat /proc/self/oom_score_adj
}
hidden() { # what is masked and read-only in a container
	e run --rm $image sh -c 'test -z "$(cat /proc/kcore | head -c 1)" && ! echo 0 >/proc/sysrq-trigger && ! echo x >/proc/sys/kernel/domainname && ! mkdir /sys/x'
}
copies() {
	e run -d --name box $image sleep 1000
	echo x >"$home/in" && chmod 644 "$home/in"
	e cp "$home/in" box:/tmp/in
	same x inside cat /tmp/in
	e cp box:/etc/passwd "$home/out"
	grep -q root "$home/out"
	has /tmp/in e diff box
	e commit box committed
	same x e run --rm committed cat /tmp/in
	e export -o "$home/exported" box
	has etc/passwd tar -tf "$home/exported"
	e $remove box
	e rmi committed
}
built() {
	mkdir -p "$home/build"
	printf 'FROM %s\nRUN echo made >/made && id -u >/uid\nUSER 1000\nCMD cat /made /uid\n' $image >"$home/build/Dockerfile"
	chmod -R a+rX "$home/build"
	e build $build -t built "$home/build"
	same 'made
0' e run --rm built
	e rmi -f built
}

common() {
	check 'run in the foreground' foreground
	check 'run detached, wait and logs' detached
	check 'standard input' piped
	check 'run -it and a resized terminal' on_terminal
	check 'exec, its options and exit codes' exec_plain
	check 'exec -it and a resized terminal' exec_on_terminal
	check 'exit codes 0, 1 and 42' exit_codes
	check 'exit code 125: the engine fails' exit_125
	check 'exit code 126: not to be executed' exit_126
	check 'exit code 127: not there' exit_127
	check 'exit code 137: killed' exit_137
	check 'logs, followed and with times' logs
	check 'attach' attach
	check 'stop, handled' stop_handled
	check 'stop with a timeout' stop_killed
	check 'stop signal' stop_signal
	check 'kill with a signal' kill_signal
	check 'pause and unpause' paused
	check 'restart policy on-failure' restarts
	check 'restart, stop and start' restarted
	check 'create and start' created
	check '--rm leaves nothing' removed
	check '--read-only' read_only
	check '--tmpfs' tmpfs
	check 'binds' binds
	check 'bind propagation' propagation
	check 'volumes' volumes
	check '--user and --group-add' users
	check '--cap-add and --cap-drop' capabilities
	check 'no-new-privileges' no_new_privs
	check 'seccomp: default, custom, unconfined' seccomp
	check '--device' devices
	check '--device: what is not given is denied' devices_denied
	check '--privileged' privileged
	check '--memory' memory
	check '--memory: the engine knows what was killed' oom
	check '--pids-limit' processes
	check '--cpus' cpus
	check '--cpuset-cpus' cpuset
	check 'update' updated
	check 'stats' stats
	check 'top' top_of
	check '--init' with_init
	check '--pid, --ipc, --net and --uts host' namespaces
	check '--pid, --ipc and --net container' joined
	check 'network none' net_none
	check 'network host' net_host
	check 'network by default' net_default
	check 'a published port' net_published
	check 'a network with DNS' net_dns
	check '--sysctl' sysctls
	check '--ulimit' ulimits
	check '--shm-size' shm
	check 'hostname, hosts, workdir, environment' names
	check 'masked and read-only paths' hidden
	check 'cp, diff, commit and export' copies
	check 'build with a RUN' built
	check 'ten containers at once' ten
}
