package runtime

import (
	"os"
	"strconv"

	"ocibox/core/container"
	"ocibox/core/fault"
)

// manager reads what a service manager left in the environment, sd_notify(3)
// and sd_listen_fds(3). Sockets for another process are nothing to this one.
func manager() (container.Manager, error) {
	m := container.Manager{Notify: os.Getenv("NOTIFY_SOCKET")}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return m, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return m, fault.Op(nil, "LISTEN_FDS %q is not a number of descriptors", os.Getenv("LISTEN_FDS"))
	}
	m.ListenFDs, m.ListenNames = n, os.Getenv("LISTEN_FDNAMES")
	return m, nil
}
