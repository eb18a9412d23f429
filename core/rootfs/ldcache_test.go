package rootfs

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rawCache is a cache in the new format, built without formatCache: two
// libraries, the second with a hwcap.
func rawCache() []byte {
	o := binary.NativeEndian
	const strings = "libx.so.1\x00/opt/libx.so.1\x00/opt/glibc-hwcaps/libx.so.1\x00"
	const table = 48 + 2*24
	b := []byte("glibc-ld.so.cache1.1")
	b = o.AppendUint32(b, 2)
	b = o.AppendUint32(b, uint32(len(strings)))
	b = append(b, make([]byte, 20)...)
	for _, e := range []struct {
		path  uint32
		hwcap uint64
	}{{10, 0}, {25, 1 << 62}} {
		b = o.AppendUint32(b, 0x303)
		b = o.AppendUint32(b, table)
		b = o.AppendUint32(b, table+e.path)
		b = o.AppendUint32(b, 0)
		b = o.AppendUint64(b, e.hwcap)
	}
	return append(b, strings...)
}

// oldCache puts the old format's header and n entries before a cache, with pad
// bytes to align it.
func oldCacheBefore(cache []byte, n, pad int) []byte {
	b := append([]byte("ld.so-1.7.0"), 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(n))
	return append(append(b, make([]byte, 12*n+pad)...), cache...)
}

func TestParseCache(t *testing.T) {
	want := []cacheEntry{
		{"libx.so.1", "/opt/libx.so.1", 0x303, 0},
		{"libx.so.1", "/opt/glibc-hwcaps/libx.so.1", 0x303, 1 << 62},
	}
	raw := rawCache()
	for name, b := range map[string][]byte{
		"new":                       raw,
		"in the old one":            oldCacheBefore(raw, 2, 0),
		"in the old one, padded":    oldCacheBefore(raw, 3, 4),
		"in the old one, as i386's": oldCacheBefore(raw, 3, 0),
	} {
		got, err := parseCache(b)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, got %v", name, err, got)
		}
	}
	for name, b := range map[string][]byte{
		"empty":      nil,
		"no magic":   []byte(strings.Repeat("x", 100)),
		"only old":   oldCacheBefore(nil, 2, 0),
		"short head": raw[:40],
		"short":      raw[:48+30],
		"no strings": raw[:48+48],
		"old, short": []byte("ld.so-1.7.0"),
	} {
		if got, err := parseCache(b); err == nil {
			t.Errorf("%s: no error, got %v", name, got)
		}
	}
	for n := range raw {
		b := slices.Clone(raw)
		b[n] ^= 0xff
		parseCache(b) // no panic
	}
}

func TestFormatCache(t *testing.T) {
	in := []cacheEntry{
		{"libfoo.so.9", "/a/libfoo.so.9", 0x303, 0},
		{"libfoo.so.10", "/a/libfoo.so.10", 0x303, 0},
		{"libbar.so", "/a/libbar.so", 0x3, 0},
		{"libbar.so", "/b/libbar.so", 0x303, 0},
	}
	got, err := parseCache(formatCache(in))
	want := []cacheEntry{in[1], in[0], in[3], in[2]}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, got %v, want %v", err, got, want)
	}
	merged := mergeCache(in, []cacheEntry{{"libbar.so", "/new", 0x303, 0}})
	if i := slices.Index(merged, in[3]); len(merged) != 4 || i >= 0 {
		t.Errorf("merged: %v", merged)
	}
}

var ldconfigLine = regexp.MustCompile(`^\t(\S+) \(.*\) => (\S+)$`)

// ldconfigList is the cache as ldconfig prints it: "name path", sorted.
func ldconfigList(t *testing.T, file string) []string {
	t.Helper()
	tool, err := exec.LookPath("ldconfig")
	if err != nil {
		tool = "/sbin/ldconfig"
	}
	out, err := exec.Command(tool, "-p", "-C", file).Output()
	if err != nil {
		t.Skipf("ldconfig -p: %v", err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if m := ldconfigLine.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			list = append(list, m[1]+" "+m[2])
		}
	}
	slices.Sort(list)
	return list
}

func names(entries []cacheEntry) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.name+" "+e.path)
	}
	slices.Sort(list)
	return list
}

func TestHostCache(t *testing.T) {
	b, err := os.ReadFile(ldCache)
	if err != nil {
		t.Skip(err)
	}
	entries, err := parseCache(b)
	if err != nil {
		t.Fatal(err)
	}
	want := ldconfigList(t, ldCache)
	if got := names(entries); len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("got %d entries, ldconfig has %d", len(got), len(want))
	}

	// ldconfig sorts as ld.so searches, so its order shows whether ours would be found.
	entries = slices.DeleteFunc(entries, func(e cacheEntry) bool { return e.hwcap != 0 })
	shuffled := slices.Clone(entries)
	slices.SortFunc(shuffled, func(a, b cacheEntry) int { return strings.Compare(a.path, b.path) })
	ours := formatCache(shuffled)
	again, err := parseCache(ours)
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if again[i].name != entries[i].name {
			t.Fatalf("entry %d is %v, ldconfig puts %v there", i, again[i], entries[i])
		}
	}
	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, ours, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := ldconfigList(t, file); !slices.Equal(got, names(entries)) {
		t.Errorf("ldconfig reads %d of our %d entries", len(got), len(entries))
	}
}
