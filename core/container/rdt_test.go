package container

import (
	"os"
	"path/filepath"
	"testing"
)

// With a container go the resctrl groups that were made for it, and no others;
// also of one that was never finished.
func TestDeleteRemovesGroups(t *testing.T) {
	for name, pid := range map[string]int{"created": os.Getpid(), "never finished": 0} {
		t.Run(name, func(t *testing.T) {
			s := Store{Root: t.TempDir()}
			root := t.TempDir()
			own, other := filepath.Join(root, "own"), filepath.Join(root, "other")
			c := made(t, s, "id")
			// The process with that start time has ended.
			c.Pid, c.StartTime, c.Rdt = pid, 1, []string{filepath.Join(own, "mon_groups", "id"), own}
			for _, dir := range []string{other, own} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.save(); err != nil {
				t.Fatal(err)
			}
			c.Unlock()
			if err := s.Delete("id", true); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(own); !os.IsNotExist(err) {
				t.Errorf("its group: %v", err)
			}
			if _, err := os.Stat(other); err != nil {
				t.Error(err)
			}
		})
	}
}
