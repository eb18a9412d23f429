package namespace

import (
	"fmt"
	"os"
	"testing"
)

// What the kernel says of a pidfd is what procfs says.
func TestOwnUser(t *testing.T) {
	if k := &Kinds[0]; k.Proc != "user" {
		t.Fatalf("the first kind is %s", k.Proc)
	}
	inode, err := OwnUser()
	if err != nil {
		t.Skipf("before Linux 6.11: %v", err)
	}
	link, err := os.Readlink("/proc/self/ns/user")
	if want := fmt.Sprintf("user:[%d]", inode); link != want {
		t.Errorf("%s, %v; want %s", link, err, want)
	}
}
