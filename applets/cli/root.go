package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/idmap"
)

// StateRoot is the folder of the containers' state, an absolute path: root, the
// value of --root, or else what the caller is used to find it at. rootless is the
// runtime's --rootless.
func StateRoot(root, rootless string) (string, error) {
	if root == "" {
		var err error
		if root, err = defaultRoot(rootless); err != nil {
			return "", err
		}
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return "", fault.Op(err, "find the working directory")
	}
	return abs, nil
}

// defaultRoot is where containers are kept when --root does not say so.
func defaultRoot(rootless string) (string, error) {
	plain := os.Geteuid() != 0
	switch rootless {
	case "auto":
		if !plain && early.Getenv("USER") != "root" {
			// Root of a user namespace is a plain user to the host.
			initial, err := idmap.InInitialUserns()
			if err != nil {
				return "", err
			}
			plain = !initial
		}
	default:
		var err error
		if plain, err = strconv.ParseBool(rootless); err != nil {
			return "", fault.Op(nil, "--rootless %s is not true, false or auto", rootless)
		}
	}
	if !plain {
		return "/run/ocibox", nil
	}
	if dir := early.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "ocibox"), nil
	}
	uid := os.Geteuid()
	if dir := fmt.Sprintf("/run/user/%d", uid); own(dir) == nil {
		return filepath.Join(dir, "ocibox"), nil
	}
	// A folder in /tmp can be anybody's: it has to be ours alone.
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("ocibox-%d", uid))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fault.Op(err, "make the state folder").WithHint("XDG_RUNTIME_DIR or --root names another place")
	}
	if err := own(dir); err != nil {
		return "", fault.Op(err, "use %s as the state folder", dir).WithHint("XDG_RUNTIME_DIR or --root names another place")
	}
	return dir, nil
}

// own says why dir is not a directory that only the caller may write to.
func own(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return unix.ENOTDIR
	case int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0:
		return unix.EPERM
	}
	return nil
}
