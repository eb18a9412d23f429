package runtime_test

import (
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// A bad container is one that cannot be made: create and run say why in one
// line, and nothing is left.
type bad struct {
	name string
	edit func(b *bundletest.Bundle, s *specs.Spec) // of config.json; may be nil
	prep func(t *testing.T, b *bundletest.Bundle)  // after config.json is written; may be nil
	args []string                                  // more options
	want []string                                  // words of the error
	who  privilege
}

type privilege int

const (
	anybody privilege = iota
	onlyRoot
	onlyPlain
)

func testBad(t *testing.T, rows []bad) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				if row.who == onlyRoot && !u.IsRoot() || row.who == onlyPlain && u.IsRoot() {
					t.Skip("not for this user")
				}
				for _, command := range [][]string{{"create"}, {"run", "--detach"}} {
					row.try(t, bundletest.New(t, u), command)
				}
			})
		})
	}
}

func (row bad) try(t *testing.T, b *bundletest.Bundle, command []string) {
	t.Helper()
	if row.edit != nil {
		b.Write(func(s *specs.Spec) { row.edit(b, s) })
	}
	if row.prep != nil {
		row.prep(t, b)
	}
	pidFile := b.Beside("pid")
	args := append(command, "--bundle", b.Dir, "--pid-file", pidFile)
	args = append(append(args, row.args...), "--", b.ID)
	b.Fails(row.want, args...)
	if _, err := os.Lstat(pidFile); !os.IsNotExist(err) {
		t.Errorf("%q: the pid file is there: %v", args, err)
	}
	if left := b.Left(); len(left) > 0 {
		t.Errorf("%q: left behind: %q", args, left)
	}
}

func mkfile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
