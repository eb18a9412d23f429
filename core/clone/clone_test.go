package clone

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExecRuns(t *testing.T) {
	p := New()
	p.Exec([]string{"/nonexistent/true", "/bin/true"}, []string{"true"}, nil)
	l, err := p.Link()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pr, err := l.Start()
	if err != nil {
		t.Fatal(err)
	}
	if err := pr.Next(); err != ErrExec {
		t.Fatal(err)
	}
	s, err := pr.Wait()
	if err != nil || s.ExitStatus() != 0 {
		t.Fatal(s, err)
	}
	pr.Release()
	_ = os.Stdout
	_ = unix.Getpid
}
