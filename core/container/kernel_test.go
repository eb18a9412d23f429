package container

import "testing"

func TestBefore(t *testing.T) {
	for release, want := range map[string]bool{
		"5.14.0": false, "5.13.19-2-pve": true, "5.4": true, "4.18.0-553.el8.x86_64": true, "6.1.0-56-cloud-amd64": false, "7.3.4+deb13": false,
		"5.140": false, "2.6.78": true, "": false, "linux": false,
	} {
		if got := before(release, 5, 14); got != want {
			t.Errorf("%q: %v, want %v", release, got, want)
		}
	}
}

func TestIsBottom(t *testing.T) {
	const initramfs = "1 1 0:2 / / rw - rootfs rootfs rw\n21 1 0:20 / /proc rw - proc proc rw\n"
	const above = "31 1 0:27 / / rw - tmpfs root rw\n21 31 0:20 / /proc rw - proc proc rw\n"
	for _, c := range []struct {
		info string
		id   uint64
		want bool
	}{{initramfs, 1, true}, {initramfs, 21, false}, {above, 31, false}, {"", 1, false}} {
		if got := isBottom(c.info, c.id); got != c.want {
			t.Errorf("mount %d: %v, want %v in\n%s", c.id, got, c.want, c.info)
		}
	}
}
