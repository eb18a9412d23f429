# Podman as root. Sourced by inside.
image=localhost/busybox home=$work/home
command=$work/podman
remove='rm -f -t 0'
health='--health-interval disable'
ipc='--ipc shareable'
build='--isolation oci'
absent=127 host_namespaces='pid ipc net uts' link=eth0 map=700000 rootfs=$ENGINES_ROOTFS
host() { "$@"; }
mkdir "$home"

# The options that a user would have in containers.conf and storage.conf.
sed "s|/usr/local/bin/ocibox|$runtime|" "$here/containers.conf" >"$work/containers.conf"
cat >"$command" <<END
#!/bin/sh
export CONTAINERS_CONF=$work/containers.conf
exec podman --root $work/root --runroot $work/runroot --tmpdir $work/tmp --storage-driver overlay --cgroup-manager cgroupfs --events-backend file --runtime ocibox "\$@"
END
mkdir "$work/bin"
printf '#!/bin/sh\nexec timeout -k 5 60 %s "$@"\n' "$command" >"$work/bin/e"
chmod 755 "$command" "$work/bin/e"
PATH=$work/bin:$PATH
mkdir -p /etc/containers
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
tar -C "$ENGINES_ROOTFS" -cf "$work/image.tar" .
e import -q -c "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$work/image.tar" $image >/dev/null

. "$here/common.sh"
. "$here/podman_checks.sh"
common
podman_checks
check 'an idmapped volume' idmapped
