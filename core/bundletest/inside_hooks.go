package bundletest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hookLog is where hooks note that they ran, in the root file system.
const hookLog = "/hooks"

// A HookReport is what a hook found: the program "hook".
type HookReport struct {
	Report
	Name  string
	State specs.State // from standard input
}

// Hook is a hook of the host that notes a HookReport and then does as the words
// say: "exit STATUS TEXT" after TEXT on standard error, "unread" with its
// standard input closed instead of read, "hang" with a process of its group,
// "say TEXT" on standard output.
func (b *Bundle) Hook(name string, words ...string) specs.Hook {
	return specs.Hook{Path: b.exec, Args: b.hookArgs(b.Path(hookLog), name, words)}
}

// InnerHook is Hook with paths that are the container's.
func (b *Bundle) InnerHook(name string, words ...string) specs.Hook {
	return specs.Hook{Path: "/init", Args: b.hookArgs(hookLog, name, words)}
}

func (b *Bundle) hookArgs(log, name string, words []string) []string {
	return append(b.Args("hook", log, name), words...)
}

// Hooked gives the reports of the hooks that have run so far, in order.
func (b *Bundle) Hooked() []HookReport {
	b.t.Helper()
	log, err := os.ReadFile(b.Path(hookLog))
	if os.IsNotExist(err) {
		return nil
	}
	must(b.t, err)
	var list []HookReport
	for line := range bytes.Lines(log) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // It is being written.
		}
		var r HookReport
		must(b.t, json.Unmarshal(line, &r))
		list = append(list, r)
	}
	return list
}

func hook(args []string) int {
	r := HookReport{Report: report(), Name: args[1]}
	does, words := "", args[2:]
	if len(words) > 0 {
		does, words = words[0], words[1:]
	}
	var err error
	if does == "unread" {
		err = os.Stdin.Close()
	} else {
		err = json.NewDecoder(os.Stdin).Decode(&r.State)
	}
	if err != nil {
		return result(0, err)
	}
	f, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err == nil {
		defer f.Close()
		err = json.NewEncoder(f).Encode(r)
	}
	if err != nil {
		return result(0, err)
	}
	switch does {
	case "exit":
		n, err := strconv.Atoi(words[0])
		fmt.Fprintln(os.Stderr, strings.Join(words[1:], " "))
		return result(n, err)
	case "hang":
		os.Stdout = nil // what sleep says is none of the runtime's output
		if _, err := start("sleep", nil); err != nil {
			return result(0, err)
		}
		for {
			unix.Pause()
		}
	case "say":
		fmt.Println(words[0])
	}
	return 0
}
