package runtime

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"ocibox/applets/cli"
	"ocibox/core/bundle"
	"ocibox/core/fault"
	"ocibox/core/plan"
)

func spec(f *cli.Flags) action {
	var edit bundle.Edit
	dir := f.StringP("bundle", "b", "", "`DIR` to write config.json to (default: the working directory)")
	path := f.StringP("file", "f", "", "`FILE` to write instead of config.json")
	rootless := f.Bool("rootless", false, "for a plain user: a user namespace in which that user is root")
	root := f.Bool("root", false, "for root, the default")
	f.BoolVar(&edit.Writable, "writable", false, "let the container write to its root file system")
	f.BoolVar(&edit.NoTerminal, "no-terminal", false, "the container's standard streams are the caller's, not a terminal of its own")
	f.StringArrayVar(&edit.Namespaces, "namespace", nil, "add a namespace, or join the one that a file stands for: `TYPE[=FILE]`; may be repeated")
	f.StringArrayVar(&edit.Caps, "cap", nil, "add the capability `CAP_NAME`; may be repeated")
	f.StringArrayVar(&edit.Env, "env", nil, "add the variable `NAME=VALUE` to the process's environment; may be repeated")
	return func(e *env, args []string) error {
		switch {
		case *root && *rootless:
			return fault.Op(nil, "--root and --rootless exclude each other")
		case *path != "" && *dir != "":
			return fault.Op(nil, "--file and --bundle exclude each other")
		case *path == "":
			*path = filepath.Join(*dir, bundle.ConfigName)
		}
		s := bundle.Default()
		if *rootless {
			s = bundle.Rootless(uint32(os.Geteuid()), uint32(os.Getegid()))
		}
		edit.Args = args
		if err := edit.Apply(s); err != nil {
			return err
		}
		if err := plan.Validate(s); err != nil {
			return err
		}
		data, err := json.MarshalIndent(s, "", "\t")
		if err != nil {
			return err
		}
		return writeNew(*path, append(data, '\n'))
	}
}

// writeNew writes a file that is not there yet.
func writeNew(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fault.Op(err, "make %s", path).WithHint("an existing file is not overwritten")
	}
	if _, err := file.Write(data); err != nil {
		return errors.Join(fault.Op(err, "write %s", path), file.Close(), os.Remove(path))
	}
	return file.Close()
}
