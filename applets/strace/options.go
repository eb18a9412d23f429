//go:build amd64 || arm64 || riscv64

package strace

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/decode"
	"ocibox/core/fault"
	"ocibox/core/seccomp"
	"ocibox/core/signals"
)

const summary = `Run PROGRAM, or attach to processes with -p, and print their system calls and
signals as strace(1) does. The status is the program's own; a signal that ended
the program ends strace-lite too.

expressions of -e:
  trace=[!]SET   only these calls: names, numbers, all, none, and the classes
                 %file %desc %process %network %memory %signal %ipc %creds
                 %clock, and %container: the calls by which containers are made,
                 with the writes to uid_map, gid_map, cgroup.procs and the like.
                 ?NAME may be a call that there is not
  signal=[!]SET  only these signals
  quiet=SET      attach, exit, personality, thread-execve, all
trace= may be left out. Of strace's other options -b -d -D -i -k -n -O -P -U
-X -yy -Y -z -Z and -e inject, fault, status, raw, read, write, abbrev, verbose,
kvm and decode-fds are not here.`

// flags are the applet's.
type flags struct {
	*cli.Flags
	follow, quiet, times, hex, paths                           *int
	limit, column, interruptible                               *int
	output, user, sortBy                                       *string
	pids, exprs, env                                           *[]string
	onlySummary, summary, wall, verbose, relative, took, appnd *bool
	version                                                    *bool
}

func newFlags() flags {
	f := cli.NewFlags("strace-lite", "[OPTION…] -p PID | PROGRAM [ARGUMENT…]", summary)
	f.SetInterspersed(false)
	return flags{
		Flags:         f,
		follow:        f.CountP("follow-forks", "f", "trace what the processes make, too; twice, with -o: each thread to a FILE.PID of its own"),
		output:        f.StringP("output", "o", "", "write to `FILE`, not to standard error"),
		appnd:         f.BoolP("output-append-mode", "A", false, "append to the FILE of -o"),
		pids:          f.StringArrayP("attach", "p", nil, "trace the process `PID`, until it ends or strace-lite is interrupted; several with commas, or again"),
		exprs:         f.StringArrayP("expr", "e", nil, "`EXPR`, see above"),
		limit:         f.IntP("string-limit", "s", 32, "print no more than `N` bytes of a string"),
		times:         f.CountP("absolute-timestamps", "t", "begin each line with the time; twice: with microseconds; three times: as seconds since 1970"),
		relative:      f.BoolP("relative-timestamps", "r", false, "begin each line with the time since the one before"),
		took:          f.BoolP("syscall-times", "T", false, "end each line with the time that the call took"),
		paths:         f.CountP("decode-fds", "y", "print the path of each descriptor"),
		onlySummary:   f.BoolP("summary-only", "c", false, "count calls, errors and time, and print only that at the end"),
		summary:       f.BoolP("summary", "C", false, "print the calls and the summary"),
		sortBy:        f.StringP("summary-sort-by", "S", "time", "sort the summary by time, calls, errors, name or nothing: `WORD`"),
		wall:          f.BoolP("summary-wall-clock", "w", false, "count the time that passed, not the system's"),
		quiet:         f.CountP("quiet", "q", "say nothing of attaching and detaching; twice: nor of ends"),
		verbose:       f.BoolP("no-abbrev", "v", false, "print all of structures, of filters and of the environment"),
		hex:           f.CountP("strings-in-hex", "x", "print strings that are no text in hexadecimal; twice: all strings"),
		column:        f.IntP("columns", "a", 40, "print results from column `N` on"),
		env:           f.StringArrayP("env", "E", nil, "put `VAR=VALUE` into the program's environment, or take VAR out"),
		user:          f.StringP("user", "u", "", "execute the program as `USER`"),
		interruptible: f.IntP("interruptible", "I", 0, "`N` 1, 2: signals to strace-lite end it; 3, 4: they do not (as with -o and a program)"),
		version:       f.BoolP("version", "V", false, "print the version"),
	}
}

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax { return cli.Syntax{Flags: newFlags().Flags} }

// settings are what the command line says.
type settings struct {
	flags
	pids        []int
	program     []string
	calls       set
	signals     set
	container   bool // calls has %container
	quietAttach bool
	quietExit   bool
	quietArch   bool
	quietExec   bool
}

// parse reads the command line.
func parse(std cli.Std, args []string) (*settings, error) {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return nil, err
	}
	s := &settings{flags: f, program: f.Args(), calls: set{not: true}, signals: set{not: true}}
	if *f.version {
		return s, nil
	}
	// A program whose trace goes to a file keeps the terminal for itself.
	quiet := *f.quiet > 0 || *f.output != "" && len(s.program) > 0
	s.quietAttach, s.quietArch = quiet, quiet
	s.quietExit, s.quietExec = *f.quiet > 1, *f.quiet > 2
	for _, list := range *f.pids {
		for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
			pid, err := strconv.Atoi(word)
			if err != nil || pid <= 0 {
				return nil, fault.Op(nil, "-p %s: not a process id", word)
			}
			s.pids = append(s.pids, pid)
		}
	}
	for _, e := range *f.exprs {
		if err := s.expr(e); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// check refuses what cannot be, or is not here.
func (s *settings) check() error {
	for _, c := range []struct {
		bad bool
		why string
	}{
		{len(s.program) == 0 && len(s.pids) == 0, "no PROGRAM and no -p PID"},
		{*s.limit < 0, "-s: a negative number"},
		{*s.column < 0, "-a: a negative number"},
		{*s.interruptible < 0 || *s.interruptible > 4, "-I: not 1, 2, 3 or 4"},
		{*s.paths > 1, "-yy: only paths of descriptors are printed, with -y"},
		{len(s.program) == 0 && *s.user != "", "-u: without a PROGRAM"},
		{len(s.program) == 0 && len(*s.env) > 0, "-E: without a PROGRAM"},
		{strings.HasPrefix(*s.output, "|") || strings.HasPrefix(*s.output, "!"), "-o: only files, no commands"},
		{*s.onlySummary && *s.summary, "-c and -C exclude each other"},
		{*s.onlySummary && s.separate(), "-c and -ff exclude each other"},
		{!slices.Contains([]string{"time", "time_total", "total_time", "calls", "count", "errors", "error", "name", "syscall", "nothing", "none"}, *s.sortBy), "-S " + *s.sortBy + ": not time, calls, errors, name or nothing"},
	} {
		if c.bad {
			return fault.Op(nil, "%s", c.why).WithHint("strace-lite --help lists the options")
		}
	}
	return nil
}

// separate tells whether each thread has a file of its own.
func (s *settings) separate() bool { return *s.follow > 1 && *s.output != "" }

// expr is the value of one -e.
func (s *settings) expr(e string) error {
	word, value, ok := strings.Cut(e, "=")
	if !ok {
		word, value = "trace", e
	}
	switch word {
	case "trace", "t":
		s.container = false
		calls, err := parseSet(value, s.callsOf)
		s.calls = calls
		return err
	case "signal", "signals", "s":
		only, err := parseSet(value, signalOf)
		s.signals = only
		return err
	case "quiet", "silent", "silence", "q":
		return s.quietWords(value)
	}
	return fault.Op(nil, "-e %s: not trace, signal or quiet", word).WithHint("strace-lite --help tells what is not here")
}

func (s *settings) quietWords(value string) error {
	for word := range strings.SplitSeq(value, ",") {
		switch word {
		case "attach":
			s.quietAttach = true
		case "exit", "exits":
			s.quietExit = true
		case "personality":
			s.quietArch = true
		case "thread-execve", "superseded":
			s.quietExec = true
		case "all":
			s.quietAttach, s.quietExit, s.quietArch, s.quietExec = true, true, true, true
		case "none":
		default:
			return fault.Op(nil, "-e quiet=%s: not attach, exit, personality, thread-execve or all", word)
		}
	}
	return nil
}

// set is some words, or all others.
type set struct {
	not   bool
	words []string
}

func (s *set) has(word string) bool { return slices.Contains(s.words, word) != s.not }

// parseSet reads "[!]all|none|WORD,…"; of tells what a word stands for.
func parseSet(text string, of func(word string) ([]string, error)) (set, error) {
	var s set
	text, s.not = strings.CutPrefix(text, "!")
	switch text {
	case "all":
		s.not = !s.not
		return s, nil
	case "none":
		return s, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		words, err := of(word)
		if err != nil {
			return s, err
		}
		s.words = append(s.words, words...)
	}
	return s, nil
}

// callsOf are the calls that a word of -e trace= stands for.
func (s *settings) callsOf(word string) ([]string, error) {
	name, may := strings.CutPrefix(word, "?")
	class := strings.TrimPrefix(name, "%")
	if calls := decode.Class(class); calls != nil && (class != name || slices.Contains([]string{"file", "desc", "process", "network", "memory", "signal", "ipc"}, class)) {
		s.container = s.container || class == decode.Container
		return calls, nil
	}
	if nr, err := strconv.ParseUint(name, 10, 31); err == nil {
		if name = seccomp.CallName(nativeArch, uint32(nr)); name == "" && !may {
			return nil, fault.Op(nil, "-e trace: there is no system call %s", word)
		}
		return []string{name}, nil
	}
	if !may && !seccomp.IsCall(name) {
		return nil, fault.Op(nil, "-e trace: there is no system call %q", word)
	}
	return []string{name}, nil
}

// signalOf is the signal that a word of -e signal= stands for.
func signalOf(word string) ([]string, error) {
	if n, err := strconv.Atoi(word); err == nil && n > 0 && n <= signals.Last {
		return []string{decode.Signal(n)}, nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(word), "SIG")
	if unix.SignalNum(name) == 0 && !strings.HasPrefix(name, "SIGRT") {
		return nil, fault.Op(nil, "-e signal: there is no signal %q", word)
	}
	return []string{name}, nil
}
