# How long podman run and ctr run take with ocibox, with runc and with crun,
# interleaved. Sourced by inside.
rounds=${ENGINES_ROUNDS:-20}
image=localhost/busybox:latest
socket=$work/containerd.sock
: >"$work/config.toml"
containerd --log-level error --config "$work/config.toml" --root "$work/croot" --state "$work/cstate" --address "$socket" >"$work/daemon.log" 2>&1 &
daemon=$!
await ctr --address "$socket" version
layout "$work/image.tar" "$image" true
ctr --address "$socket" image import "$work/image.tar" >/dev/null
mkdir -p /etc/containers
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
pod() { podman --root "$work/root" --runroot "$work/runroot" --tmpdir "$work/tmp" --storage-driver overlay --cgroup-manager cgroupfs --events-backend file "$@"; }
tar -C "$ENGINES_ROOTFS" -c . | pod import -q - $image >/dev/null
ln -s "$ENGINES_OCIBOX" "$work/ocibox"

# once WITH RUNTIME: the wall time of one run, in microseconds
once() {
	began=$(date +%s%N)
	case "$1" in
	podman) pod --runtime "$2" run --rm $image true ;;
	'podman, no network') pod --runtime "$2" run --rm --network none $image true ;;
	ctr) ctr --address "$socket" run --rm --runc-binary "$2" $image c true ;;
	esac
	echo $((($(date +%s%N) - began) / 1000))
}
for with in podman 'podman, no network' ctr; do
	for r in "$work/ocibox" /usr/sbin/runc /usr/bin/crun; do once "$with" "$r" >/dev/null; : >"$work/times.${r##*/}"; done
	n=0
	while [ $n -lt "$rounds" ]; do
		for r in "$work/ocibox" /usr/sbin/runc /usr/bin/crun; do once "$with" "$r" >>"$work/times.${r##*/}"; done
		n=$((n + 1))
	done
	for r in ocibox runc crun; do sort -n "$work/times.$r" | sed -n "$(((rounds + 1) / 2))p"; done | paste -sd' ' |
		awk -v with="$with" -v n="$rounds" '{printf "%s run --rm busybox true, median of %d: ocibox ÷ runc %.2f, ocibox ÷ crun %.2f\n", with, n, $1 / $2, $1 / $3}'
done
kill $daemon
