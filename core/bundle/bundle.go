// Package bundle reads a bundle's config.json, and makes default ones.
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"reflect"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/leanjson"
)

// ConfigName is the file that makes a directory a bundle.
const ConfigName = "config.json"

// maxConfig bounds the size of a config.json, in bytes. The largest that
// engines write, with thousands of mounts, have one or two million.
const maxConfig = 16 << 20

// Load reads the config.json of the bundle dir, and gives its bytes too.
// Errors name line and column.
func Load(dir string) (*specs.Spec, []byte, error) {
	path := filepath.Join(dir, ConfigName)
	s, data, err := LoadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.Op(unix.ENOENT, "open %s", path).WithHint("a bundle is a directory with a config.json; -b names it, and spec makes the file")
	}
	return s, data, err
}

// LoadFile is Load of a file by its own path.
func LoadFile(path string) (*specs.Spec, []byte, error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil, fault.Op(nil, "%s is empty", path)
	}
	var s specs.Spec
	if err := leanjson.Unmarshal(data, &s); err != nil {
		return nil, nil, explain(path, data, err)
	}
	return &s, data, nil
}

// LoadProcess reads a file that holds what process is in a config.json.
func LoadProcess(path string) (*specs.Process, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	var p specs.Process
	if err := leanjson.Unmarshal(data, &p); err != nil {
		err = explain(path, data, err)
		var e *fault.Error
		if errors.As(err, &e) && e.Field != "" {
			e.Field = "process." + e.Field
		}
		return nil, err
	}
	return &p, nil
}

func read(path string) ([]byte, error) {
	// Not to be held up by a fifo.
	fd, err := files.Open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fault.Op(err, "look at %s", path)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fault.Op(nil, "%s is not a regular file", path)
	}
	data, err := files.ReadFD(fd, path, maxConfig+1)
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fault.Op(nil, "%s has %d bytes, more than %d", path, max(st.Size, int64(len(data))), maxConfig)
	}
	return data, nil
}

func explain(path string, data []byte, err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line, column := position(data, syntax.Offset)
		return fault.Op(nil, "%s:%d:%d: %v", path, line, column, err)
	case errors.As(err, &typ):
		line, column := position(data, typ.Offset)
		return fault.Field(typ.Field, "%s:%d:%d: %s given where %s is needed", path, line, column, typ.Value, jsonType(typ.Type))
	}
	return fault.Op(err, "%s", path)
}

// jsonType is what JSON calls a Go type; a number's bounds are in Go's word.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return t.String()
}

// position turns the number of bytes read into line and column, both from 1,
// of the last byte.
func position(data []byte, offset int64) (line, column int) {
	offset = max(min(offset, int64(len(data))), 1)
	before := data[:offset-1]
	return 1 + bytes.Count(before, []byte("\n")), int(offset) - 1 - bytes.LastIndexByte(before, '\n')
}
