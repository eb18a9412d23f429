package link

import "testing"

func TestCheckName(t *testing.T) {
	for _, name := range []string{"eth0", "a", "enp0s31f6", "eth0.100", "...", "-", "123456789012345", "é"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if err := CheckNewName(name); err != nil {
			t.Errorf("%q as a new name: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "1234567890123456", "a/b", "a:1", "a b", "a\tb", "a\n", "a\x00", "%d", "eth%d", "50%", "\xa0"} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	for _, name := range []string{"eth%d", "%d", "1234567890123%d"} {
		if err := CheckNewName(name); err != nil || !IsTemplate(name) {
			t.Errorf("%q as a new name: %v, a template: %t", name, err, IsTemplate(name))
		}
	}
	for _, name := range []string{"", "%d%d", "a%db", "%s", "a/%d", "12345678901234%d", "%"} {
		if err := CheckNewName(name); err == nil {
			t.Errorf("%q is taken as a new name", name)
		}
	}
}

func TestRelabelled(t *testing.T) {
	for _, c := range [][4]string{
		{"eth0", "eth0", "net0", "net0"},
		{"eth0:1", "eth0", "net0", "net0:1"},
		{"eth01", "eth0", "net0", "eth01"},
		{"home", "eth0", "net0", "home"},
		{"eth0:1", "eth0", "123456789012345", "123456789012345"},
	} {
		if got := relabelled(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%s of %s, now %s: %s, want %s", c[0], c[1], c[2], got, c[3])
		}
	}
}
