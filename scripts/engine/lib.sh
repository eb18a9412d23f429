# What the checks of all engines are made of. Sourced by inside.

# check NAME COMMAND…: one check is one command, most often a function below,
# that succeeds. It prints a line, and of a failure what the command printed.
check() {
	name=$1
	shift
	if [ -s "$only" ] && ! grep -qxF -e "$name" "$only"; then return 0; fi
	began=$(date +%s)
	set +e
	(set -ex; "$@") >"$work/log" 2>&1 </dev/null
	status=$?
	set -e
	verdict=ok
	[ $status = 0 ] || verdict=FAIL
	[ $status != 77 ] || verdict=skip
	printf '%s\t%s\t%s\n' "$name" "$verdict" "$engine" >>"$results"
	printf '%-15s %-7s %-4s %3ss  %s\n' "$engine" "$runtime_name" "$verdict" $(($(date +%s) - began)) "$name"
	[ $verdict = ok ] || grep -av '^+ *\(want\|got\|\[\|shift\|case\|return\|echo\|fail\|tries\)\b' "$work/log" | tail -n "${ENGINES_LINES:-12}" | cut -c 1-400 | sed 's/^/    | /'
	tidy >>"$work/log" 2>&1 || :
}

# skip WHY: the check does not apply.
skip() {
	echo "$*"
	exit 77
}

# fail WHY
fail() {
	echo "$*"
	return 1
}

# same TEXT COMMAND…: its output is TEXT.
same() {
	want=$1
	shift
	got=$("$@" | tr -d '\r') || fail "$* failed, after: $got"
	[ "$got" = "$want" ] || fail "it printed: $got"
}

# has TEXT COMMAND…: its output, errors too, holds TEXT.
has() {
	want=$1
	shift
	got=$("$@" 2>&1) || fail "$* failed, after: $got"
	case "$got" in *"$want"*) ;; *) fail "it printed: $got" ;; esac
}

# lacks TEXT COMMAND…
lacks() {
	want=$1
	shift
	got=$("$@" 2>&1) || fail "$* failed, after: $got"
	case "$got" in *"$want"*) fail "it printed: $got" ;; esac
}

# exits STATUS COMMAND…
exits() {
	want=$1
	shift
	got=0
	"$@" || got=$?
	[ "$got" = "$want" ] || fail "its status is $got"
}

# await COMMAND…: until it succeeds, for at most 20 s.
await() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "gave up waiting for: $*"
		sleep 0.1
	done
}

# processes_of PATTERN: the pids of those whose command line it matches.
processes_of() {
	for p in /proc/[0-9]*; do
		tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q -e "$1" && echo "${p#/proc/}"
	done || :
}

# terminal COMMAND: the command, a shell's, which ends in the terminal, on a terminal of 33 rows and 111
# columns that is resized to 40 and 90 once file $work/resize is there.
terminal() {
	echo "exec $1" >"$work/on-terminal"
	rm -f "$work/resize"
	timeout -k 5 60 script -qec "stty rows 33 cols 111; t=\$(tty)
		{ until [ -e '$work/resize' ]; do sleep 0.1; done; stty -F \"\$t\" rows 40 cols 90; } &
		sh $work/on-terminal" /dev/null </dev/null
}

# layout FILE NAME COMMAND: an archive in FILE, an OCI layout, of the image NAME
# of the busybox root, with a shell command for what it runs.
layout() {
	(
		d=$work/layout
		mkdir -p "$d/blobs/sha256"
		tar -C "$ENGINES_ROOTFS" -cf "$d/layer" .
		blob() { # FILE TYPE: put it in its place, print its descriptor
			sum=$(sha256sum "$1" | cut -d ' ' -f 1)
			printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s}' "$2" "$sum" "$(stat -c %s "$1")"
			mv "$1" "$d/blobs/sha256/$sum"
		}
		diff=$(sha256sum "$d/layer" | cut -d ' ' -f 1)
		layer=$(blob "$d/layer" layer.v1.tar)
		printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh","-c","%s"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
			"$(dpkg --print-architecture)" "$3" "$diff" >"$d/config"
		config=$(blob "$d/config" config.v1+json)
		printf '{"schemaVersion":2,"config":%s,"layers":[%s]}' "$config" "$layer" >"$d/manifest"
		manifest=$(blob "$d/manifest" manifest.v1+json)
		printf '{"schemaVersion":2,"manifests":[%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"latest"}}]}' "${manifest%\}}" "$2" >"$d/index.json"
		echo '{"imageLayoutVersion":"1.0.0"}' >"$d/oci-layout"
		tar -C "$d" -cf "$1" .
		rm -r "$d"
	)
}
