package cli

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ocibox/core/fault"
)

// testFlags has flags of each kind, and writes what it is given to seen as
// getopt(1) does: the options in their order, each with its value.
func testFlags(seen *[]string) *Flags {
	f := NewFlags("test", "[OPTION…] [WORD…]", "Test.")
	add := func(name, short string, takes argument) {
		f.add(&Flag{Name: name, Short: short, Value: &record{seen, "--" + name, takes != none}, takes: takes})
	}
	add("all", "a", none)
	add("mount", "m", optional)
	add("mount-proc", "", optional)
	add("map-user", "", required)
	add("map-users", "", required)
	add("target", "t", required)
	add("Z", "Z", none)
	add("follow-context", "f", none)
	return f
}

// testSyntax are the same flags in the words of getopt(1).
var testSyntax = []string{"-n", "test", "-o", "+am::t:ZfH", "-l", "all,mount::,mount-proc::,map-user:,map-users:,target:,Z,follow-context,help"}

type record struct {
	seen  *[]string
	form  string
	value bool
}

func (r *record) String() string { return "" }
func (r *record) Set(s string) error {
	if *r.seen = append(*r.seen, r.form); r.value {
		*r.seen = append(*r.seen, s)
	} else if s != "" {
		return fault.Op(nil, "takes no value")
	}
	return nil
}

// ours is what Parse makes of words, in the form of getopt(1); ok is false if
// it refuses them.
func ours(f *Flags, seen *[]string, words []string) (all []string, ok bool) {
	var out bytes.Buffer
	if err := f.Parse(Std{Out: &out, Err: &out}, words); err != nil {
		return nil, false
	}
	return slices.Concat(*seen, []string{"--"}, f.Args()), true
}

// libc is what getopt_long(3) makes of words, by getopt(1).
func libc(t *testing.T, syntax, words []string) (all []string, ok bool) {
	t.Helper()
	// Unquoted, for words without blanks; -T tells the version that can do it.
	out, err := exec.Command("getopt", slices.Concat([]string{"-u"}, syntax, []string{"--"}, words)...).Output()
	if err != nil {
		if _, ran := err.(*exec.ExitError); !ran {
			t.Fatal(err)
		}
		return nil, false
	}
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(string(out), " "), "\n"), " "), true
}

// pieces are what command lines are made of here.
var pieces = []string{
	"-a", "-m", "-mx", "-m/run/netns/x", "-t", "-t5", "-aZ", "-amx", "-aat5", "-at", "-Zm", "-k", "-ak", "-", "--", "x", "5", "-5",
	"--all", "--al", "--a", "--mount", "--mount=/x=y", "--moun=x", "--mount-", "--mount-p=z", "--map-user", "--map-user=1", "--map-u", "--map-users=2",
	"--map", "--t=7", "--target", "--targets", "--Z", "--z", "--fol", "--all=x", "--=x", "-tm", "-mt", "-ft=5", "-=",
}

func TestAsLibcReads(t *testing.T) {
	if out, err := exec.Command("getopt", "-T").CombinedOutput(); err == nil || len(out) > 0 {
		t.Skip("no getopt(1) of util-linux here")
	}
	// getopt(1) prints an option in the form in which it was given.
	names := map[string]string{"-a": "--all", "-m": "--mount", "-t": "--target", "-Z": "--Z", "-f": "--follow-context"}
	lines := [][]string{nil}
	for _, p := range pieces {
		lines = append(lines, []string{p})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		line := make([]string, 1+r.IntN(5))
		for i := range line {
			line[i] = pieces[r.IntN(len(pieces))]
		}
		lines = append(lines, line)
	}
	refused := 0
	for _, interspersed := range []bool{false, true} {
		syntax := slices.Clone(testSyntax)
		if interspersed {
			syntax[3] = strings.TrimPrefix(syntax[3], "+")
		}
		for _, line := range lines {
			var seen []string
			f := testFlags(&seen)
			f.SetInterspersed(interspersed)
			got, ok := ours(f, &seen, line)
			want, fine := libc(t, syntax, line)
			for _, words := range [][]string{got, want} {
				for i, w := range words {
					if long := names[w]; long != "" {
						words[i] = long
					}
				}
			}
			if ok != fine || !slices.Equal(got, want) {
				t.Errorf("%q, interspersed %v: %q %v, libc: %q %v", line, interspersed, got, ok, want, fine)
			}
			if !fine {
				refused++
			}
		}
	}
	if all := 2 * len(lines); refused < all/10 || refused > all*9/10 {
		t.Errorf("%d of %d lines are refused: they show little", refused, all)
	}
}

// What getopt(1) does not show.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		words  string
		equals bool
		want   string // what is seen, or the error
	}{
		{"-m=x", false, "--mount x"},
		{"-m", false, "--mount "},
		{"-t=x", false, "--target =x"},
		{"-t=x", true, "--target x"},
		{"-a=x", true, "--all x: takes no value"},
		{"--mount=", false, "command line: --mount=: the value is empty"},
		{"--map-u", false, "command line: --map-u may be --map-user or --map-users"},
		{"--target", false, "command line: flag needs an argument: --target"},
		{"-at", false, "command line: flag needs an argument: 't' in -at"},
		{"-aé", false, "command line: unknown shorthand flag: 'é' in -aé"},
		{"--mont", false, "command line: unknown flag: --mont"},
		{"--he", false, "exit status 0"},
		{"-ah", false, "exit status 0"},
	} {
		var seen []string
		f := testFlags(&seen)
		f.Equals = c.equals
		var out bytes.Buffer
		err := f.Parse(Std{Out: &out, Err: &out}, strings.Fields(c.words))
		got := strings.Join(seen, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.words, got, c.want)
		}
	}
}

func TestHelp(t *testing.T) {
	f := NewFlags("test", "[OPTION…]", "Test.")
	f.BoolP("all", "a", false, "all of it")
	f.Bool("on", true, "it is on")
	f.CountP("verbose", "v", "more")
	f.Optional("mount", "m", "", "enter it, as `FILE` says")
	f.Choice("mode", "", []string{"one", "two"}, "how")
	f.IntP("limit", "s", 32, "print `N` bytes")
	f.String("name", "x y", "what it is called")
	f.StringArray("add", nil, "add `µ`")
	f.Duration("interval", 0, "how long")
	f.Bool("hidden", false, "not for all")
	f.Lookup("hidden").Hidden = true
	const want = `usage: test [OPTION…]

Test.

options:
  -a, --all                all of it
      --on                 it is on (default true)
  -v, --verbose            more
  -m, --mount[=FILE]       enter it, as FILE says
      --mode one|two       how (default one)
  -s, --limit N            print N bytes (default 32)
      --name string        what it is called (default "x y")
      --add µ              add µ
      --interval duration  how long (default 0s)
`
	var out bytes.Buffer
	f.help(Std{Out: &out})
	if strings.Join(strings.Fields(out.String()), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("%s", out.String())
	}
	column := -1
	for line := range strings.Lines(out.String()[strings.Index(out.String(), "options:\n")+9:]) {
		at := len([]rune(line[:strings.LastIndex(line, "   ")]))
		if column >= 0 && at != column {
			t.Errorf("the columns differ: %s", out.String())
		}
		column = at
	}
}

func TestValues(t *testing.T) {
	f := NewFlags("test", "", "")
	on, n, times := f.BoolP("on", "o", false, ""), f.IntP("n", "n", 5, ""), f.CountP("verbose", "v", "")
	list, wait := f.StringArray("list", nil, ""), f.Duration("wait", 0, "")
	proc := f.Optional("proc", "", "/proc", "")
	f.OptionalVar((*stringValue)(new(string)), "user", "U", "", "").LongOnly()
	if err := f.Parse(Std{}, strings.Fields("--on=false -n0x10 -vvo --verbose --list=a --list b,c --wait 1m --proc -Uv x -v")); err != nil {
		t.Fatal(err)
	}
	if !*on || *n != 16 || *times != 5 || !slices.Equal(*list, []string{"a", "b,c"}) || wait.Seconds() != 60 || *proc != "/proc" || f.Arg(0) != "x" || f.NArg() != 1 || f.Arg(1) != "" {
		t.Error(*on, *n, *times, *list, *wait, *proc, f.Args())
	}
	for words, want := range map[string]string{
		"--on=x": "--on x: invalid syntax", "-nx": "--n x: invalid syntax", "--n=99999999999999999999": "--n 99999999999999999999: value out of range",
		"--verbose=x": "--verbose x: invalid syntax", "--wait=x": `--wait x: is no length of time, such as 500ms or 1m30s`,
	} {
		if err := f.Parse(Std{}, []string{words}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", words, err, want)
		}
	}
}
