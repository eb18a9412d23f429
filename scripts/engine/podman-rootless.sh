# Podman as a plain user with subordinate ids. Sourced by inside.
image=localhost/busybox home=/home/engines
command=$work/podman
health='--health-interval disable'
ipc='--ipc shareable'
build='--isolation oci --network host'
absent=127 host_namespaces='pid net uts' link=tap0 map=1 rootfs=/home/engines/rootfs
remove='rm -f -t 0'
uid=$(id -u "$ENGINES_TESTER")
user="setpriv --reuid=$ENGINES_TESTER --regid=$ENGINES_TESTER --init-groups"
host() { $user "$@"; }

# A home and a runtime directory that are nobody else's.
mkdir "$work/home" && mount -t tmpfs -o mode=755 tmpfs /home && mkdir "$home" /run/user "/run/user/$uid"
chown "$ENGINES_TESTER:" "$home" "/run/user/$uid"
chmod 755 "$home" && chmod 700 "/run/user/$uid"
chmod 666 /dev/net/tun /dev/fuse 2>/dev/null || :
cp -r "$ENGINES_ROOTFS" "$rootfs" && chown -R "$ENGINES_TESTER:" "$rootfs"

sed "s|/usr/local/bin/ocibox|$runtime|" "$here/containers.conf" >"$work/containers.conf"
cat >"$command" <<END
#!/bin/sh
cd $home
exec env -i PATH="$PATH" TERM=xterm HOME=$home XDG_RUNTIME_DIR=/run/user/$uid CONTAINERS_CONF=$work/containers.conf \\
	setpriv --reuid=$ENGINES_TESTER --regid=$ENGINES_TESTER --init-groups \\
	podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime ocibox "\$@"
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
check '--userns keep-id' keep_id
check '--userns auto' auto
check '--userns nomap' nomap
