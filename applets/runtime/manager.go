package runtime

import (
	"fmt"
	"os"
	"strconv"

	"ocibox/core/container"
	"ocibox/core/dbus"
	"ocibox/core/early"
	"ocibox/core/fault"
)

// manager reads what a service manager left in the environment, sd_notify(3)
// and sd_listen_fds(3). Sockets for another process are nothing to this one.
func manager() (container.Manager, error) {
	m := container.Manager{Notify: early.Getenv("NOTIFY_SOCKET")}
	if early.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return m, nil
	}
	n, err := strconv.Atoi(early.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return m, fault.Op(nil, "LISTEN_FDS %q is not a number of descriptors", early.Getenv("LISTEN_FDS"))
	}
	m.ListenFDs, m.ListenNames = n, early.Getenv("LISTEN_FDNAMES")
	return m, nil
}

// bus is where the systemd is reached that makes cgroups: the host's for root,
// else the user's. The variables are those of the D-Bus specification, "Well-known
// Message Bus Instances".
func bus() string {
	if os.Geteuid() == 0 {
		if bus := early.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); bus != "" {
			return bus
		}
		return "unix:path=/run/systemd/private;unix:path=/run/dbus/system_bus_socket"
	}
	if bus := early.Getenv("DBUS_SESSION_BUS_ADDRESS"); bus != "" {
		return bus
	}
	dir := early.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = fmt.Sprintf("/run/user/%d", os.Geteuid())
	}
	dir = dbus.Escape(dir)
	return "unix:path=" + dir + "/systemd/private;unix:path=" + dir + "/bus"
}
