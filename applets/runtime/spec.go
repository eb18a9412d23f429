package runtime

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"ocibox/applets/cli"
	"ocibox/core/bundle"
	"ocibox/core/fault"
)

func spec(e *env, f *cli.Flags, args []string) error {
	dir := f.StringP("bundle", "b", "", "directory to write config.json to (default: the working directory)")
	rootless := f.Bool("rootless", false, "for a plain user: a user namespace in which that user is root")
	root := f.Bool("root", false, "for root, the default")
	if err := f.Parse(e.std, args); err != nil {
		return err
	}
	if _, err := f.Operands(0, 0); err != nil {
		return err
	}
	if *root && *rootless {
		return fault.Op(nil, "--root and --rootless exclude each other")
	}
	s := bundle.Default()
	if *rootless {
		s = bundle.Rootless(uint32(os.Geteuid()), uint32(os.Getegid()))
	}
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(*dir, bundle.ConfigName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fault.Op(err, "make %s", path).WithHint("an existing file is not overwritten")
	}
	if _, err := file.Write(append(data, '\n')); err != nil {
		return errors.Join(fault.Op(err, "write %s", path), file.Close(), os.Remove(path))
	}
	return file.Close()
}
