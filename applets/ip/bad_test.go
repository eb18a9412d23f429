package ip

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Bad input is one line, and leaves everything as it was.
func TestBad(t *testing.T) {
	if !own(t) {
		return
	}
	namespace(t, "one")
	_, exited := exec.Command("false").CombinedOutput()
	gone := fmt.Sprint(exited.(*exec.ExitError).Pid())
	state := func() string {
		return debian(split("-n one -d route show table all")...).out + debian(split("-n one -4 neigh show nud all")...).out + debian("netns").out
	}
	before := state()
	long := strings.Repeat("x", 256)
	for line, status := range map[string]int{
		"-frob route":                     misused,
		"-n":                              misused,
		"-n none route":                   1,
		"-n /dev/null route":              1,
		"frob":                            misused,
		"":                                misused,
		"route frob":                      misused,
		"route add":                       misused,
		"route add 192.0.2.0/24":          refused,
		"route add 192.0.2.0/24 dev":      misused,
		"route add 192.0.2.0/24 dev none": 1,
		"route add 192.0.2.0/24 dev a-name-that-is-too-long":                1,
		"route add 192.0.2.0/33 dev v0":                                     1,
		"route add 192.0.2.0/-1 dev v0":                                     1,
		"route add 192.0.2.0/255.0.255.0 dev v0":                            1,
		"route add 192.0.2.1/24 dev v0":                                     refused,
		"route add 192.0.256.0/24 dev v0":                                   1,
		"route add 1.2.3.4.5 dev v0":                                        1,
		"route add 2001:db8::/129 dev v0":                                   1,
		"route add fe80::1%v0 dev v0":                                       1,
		"route add 192.0.2.0/24 via 2001:db8::2":                            1,
		"route add 192.0.2.0/24 via inet6":                                  misused,
		"-6 route add 192.0.2.0/24 dev v0":                                  1,
		"route add 192.0.2.0/24 dev v0 metric x":                            misused,
		"route add 192.0.2.0/24 dev v0 metric 4294967296":                   misused,
		"route add 192.0.2.0/24 dev v0 table 4294967296":                    misused,
		"route add 192.0.2.0/24 dev v0 scope 256":                           misused,
		"route add 192.0.2.0/24 dev v0 proto x":                             misused,
		"route add 192.0.2.0/24 dev v0 tos 100":                             misused,
		"route add 192.0.2.0/24 dev v0 rtt -1":                              misused,
		"route add 192.0.2.0/24 dev v0 rtt 1e99s":                           misused,
		"route add 192.0.2.0/24 dev v0 mtu lock":                            misused,
		"route add 192.0.2.0/24 dev v0 hoplimit 256":                        misused,
		"route add 192.0.2.0/24 dev v0 congctl none-such":                   refused,
		"route add 192.0.2.0/24 dev v0 realms 1/2/3":                        misused,
		"route add 192.0.2.0/24 dev v0 encap mpls 5":                        misused,
		"route add 192.0.2.0/24 dev v0 nexthop":                             misused,
		"route add 192.0.2.0/24 nexthop via 10.0.0.2 weight 257":            misused,
		"route add 192.0.2.0/24 nexthop via 10.0.0.2 nexthop via 172.0.0.1": refused,
		"route add 192.0.2.0/24 192.0.3.0/24 dev v0":                        misused,
		"route add 192.0.2.0/24 dev v0 vrf d0":                              1,
		"route del 192.0.2.0/24":                                            refused,
		"route get":                                                         1,
		"route get 300.0.0.1":                                               1,
		"route get 10.0.0.2 sport 65536":                                    misused,
		"route get 10.0.0.2 ipproto x":                                      misused,
		"route flush":                                                       1,
		"route flush table none":                                            misused,
		"route show via":                                                    misused,
		"neigh frob":                                                        misused,
		"neigh add 10.0.0.2 dev v0 lladdr x":                                1,
		"neigh add 10.0.0.2 dev v0 lladdr 02:00":                            refused,
		"neigh add 10.0.0.2 dev v0 lladdr 02:00:00:00:00:02:" + long:        1,
		"neigh add 10.0.0.0/24 dev v0 lladdr 02:00:00:00:00:02":             1,
		"neigh add 10.0.0.2 lladdr 02:00:00:00:00:02":                       misused,
		"neigh add dev v0 lladdr 02:00:00:00:00:02":                         misused,
		"neigh add 10.0.0.2 dev v0 nud 3":                                   misused,
		"neigh add 10.0.0.2 dev v0":                                         refused,
		"neigh del 10.0.0.2 dev v0":                                         refused,
		"neigh flush":                                                       1,
		"neigh show nud x":                                                  misused,
		"netns frob":                                                        misused,
		"netns add":                                                         1,
		"netns add a/b":                                                     misused,
		"netns add ..":                                                      misused,
		"netns add " + long:                                                 misused,
		"netns add one":                                                     1,
		"netns attach two":                                                  1,
		"netns attach two " + gone:                                          1,
		"netns attach two x":                                                1,
		"netns attach two 0":                                                1,
		"netns set one":                                                     1,
		"netns set one -1":                                                  misused,
		"netns set none 1":                                                  1,
		"netns set one 99999999999":                                         misused,
		"netns del none":                                                    1,
		"netns del ../netns":                                                misused,
		"netns pids none":                                                   1,
		"netns identify " + gone:                                            1,
		"netns identify -1":                                                 1,
		"netns exec none true":                                              1,
		"netns exec one":                                                    1,
		"netns list-id nsid":                                                misused,
		"netns list-id nsid x":                                              misused,
	} {
		args := split(line)
		if !strings.HasPrefix(line, "netns") && !strings.HasPrefix(line, "-") && line != "" {
			args = append([]string{"-n", "one"}, args...)
		}
		r := ours(args...)
		lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
		if r.status != status || r.out != "" || !strings.HasPrefix(lines[0], "ip") || len(lines) > 2 || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ") {
			t.Errorf("ip %s: exit status %d, not %d: %q%q", line, r.status, status, r.out, r.err)
		}
		if after := state(); after != before {
			t.Fatalf("ip %s changed it:\n%sfrom\n%s", line, after, before)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, line := range []string{"help", "-help", "--help", "route help", "n help", "netns help"} {
		if r := ours(split(line)...); r.status != 0 || !strings.HasPrefix(r.out, "usage: ip ") || r.err != "" {
			t.Errorf("ip %s: exit status %d, %q%q", line, r.status, r.out, r.err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		word   string
		family uint8
		want   string // family, address and length; "" for an error
	}{
		{"10.0.0.1", 0, "inet 10.0.0.1/32"},
		{"10.1/16", 0, "inet 10.1.0.0/16"},
		{"0x0a.1.2.3/8", 0, "inet 10.1.2.3/8"},
		{"10/255.128.0.0", unix.AF_INET, "inet 10.0.0.0/9"},
		{"0/0", 0, "inet 0.0.0.0/0"},
		{"2001:DB8::1/64", 0, "inet6 2001:db8::1/64"},
		{"::ffff:1.2.3.4", 0, "inet6 ::ffff:1.2.3.4/128"},
		{"default", unix.AF_INET6, "inet6 /0"},
		{"any", 0, "any valid /0"},
		{"10.0.0.1", unix.AF_INET6, ""},
		{"::1", unix.AF_INET, ""},
		{"", 0, ""}, {"/8", 0, ""}, {"10.0.0.1/", 0, ""}, {"10.0.0.1/33", 0, ""}, {"10..1", 0, ""}, {"10.0.0.256", 0, ""}, {"::1/129", 0, ""},
		{"10.0.0.0/255.0.255.0", 0, ""}, {"::1/255.0.0.0", 0, ""}, {"10.0.0.1/8/8", 0, ""}, {"1.2.3.4.5", 0, ""}, {"fe80::1%lo", 0, ""},
	} {
		p, err := readPrefix(c.word, c.family)
		got := ""
		if err == nil {
			got = fmt.Sprintf("%s %s/%d", familyName(p.family), host(p.addr), p.bits)
		}
		if got != c.want {
			t.Errorf("%q of family %d: %q, %v; want %q", c.word, c.family, got, err, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for word, want := range map[string]uint32{"100": 100, "1s": 8000, "1.5s": 12000, "300ms": 2400, "2sec": 16000, "2secs": 16000, "5msec": 40} {
		if got, ok := readTime(word, 8); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", word, got, ok, want)
		}
	}
	for _, word := range []string{"", "s", "-1s", "x", "1m", "NaN", "Inf", "1e99"} {
		if v, ok := readTime(word, 8); ok {
			t.Errorf("%q is %d", word, v)
		}
	}
}

// A name that no text may hold unescaped is one in JSON.
func TestQuote(t *testing.T) {
	p := printer{json: true}
	p.list()
	p.str("", "", "a\"\\\n\x01é")
	var out bytes.Buffer
	if err := p.flush(&out); err != nil || out.String() != `["a\"\\\n\u0001é"]`+"\n" {
		t.Errorf("%s, %v", out.String(), err)
	}
}
