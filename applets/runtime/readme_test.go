package runtime_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/applets/cli"
	"ocibox/applets/runtime"
)

var updateReadme = flag.Bool("update-readme", false, "write the README's tables anew")

const (
	readme      = "../../README.md"
	tablesBegin = "## What is supported\n"
	yes         = "✔"
)

// The README's tables say what the code does. What is written about by hand is
// only why something is left out.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(data), tablesBegin)
	if !found {
		t.Fatalf("no line %q", tablesBegin)
	}
	want := before + tablesBegin + "\nWritten by `go test ./applets/runtime -run TestReadme -update-readme`, which otherwise fails\n" +
		"when the code has become another.\n\n" + commandTable(t) + "\n" + fieldTable(t)
	if want == string(data) {
		return
	}
	if !*updateReadme {
		t.Fatal("the README's tables are not what the code does: go test ./applets/runtime -run TestReadme -update-readme")
	}
	if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// notBuilt are the commands and options of other runtimes that are not there,
// by "COMMAND" or "COMMAND --option", and why.
func notBuilt() map[string]string {
	reasons := map[string]string{}
	for _, c := range runtime.Absent() {
		reasons[c.Word] = c.About
	}
	return reasons
}

// commandTable has a row for each command and option of the runtimes, and of
// this one.
func commandTable(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/peers.txt")
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]*cli.Flags{"global": runtime.Syntax().Flags}
	for _, c := range runtime.Syntax().Commands {
		flags[c.Word] = c.Syntax.Flags
	}
	reasons, said := notBuilt(), map[string]bool{}
	table := "| command | option | runc | crun | youki | ocibox |\n|---|---|---|---|---|---|\n"
	listed := map[string]bool{}
	row := func(command, option, who, mark string) {
		cells := []string{command, option}
		for _, peer := range []string{"r", "c", "y"} {
			cell := ""
			if strings.Contains(who, peer) {
				cell = yes
			}
			cells = append(cells, cell)
		}
		table += "| " + strings.Join(append(cells, mark), " | ") + " |\n"
		listed[strings.TrimSpace(command+" "+option)] = true
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != 3 {
			t.Fatalf("peers.txt: %q", line)
		}
		command, option, who := cells[0], cells[1], cells[2]
		key := strings.TrimSpace(command + " " + option)
		reason := reasons[command]
		if r, ok := reasons[key]; ok {
			reason = r
		}
		said[command], said[key] = true, true
		there := flags[command] != nil
		mark := yes
		if there && option != "" && option != "--help" {
			f := flags[command].Lookup(strings.TrimPrefix(option, "--"))
			if there = f != nil; there && cli.WithoutEffect(f) != "" {
				mark = "no effect: " + cli.WithoutEffect(f)
			}
		}
		switch {
		case there && reason != "":
			t.Errorf("%s is there, and a reason is written why it is not: %s", key, reason)
		case !there && reason == "":
			t.Errorf("%s is not there: write the reason into notBuilt", key)
		case !there:
			mark = "✘ " + reason
		}
		row(command, option, who, mark)
	}
	for key := range reasons {
		if !said[key] {
			t.Errorf("%s is in notBuilt and not in peers.txt", key)
		}
	}
	// What the others do not have.
	for _, command := range append([]cli.Command{{Candidate: cli.Candidate{Word: "global"}, Syntax: runtime.Syntax()}}, runtime.Syntax().Commands...) {
		own := 0
		command.Syntax.VisitAll(func(f *cli.Flag) {
			if own++; !f.Hidden && !listed[command.Word+" --"+f.Name] {
				row(command.Word, "--"+f.Name, "", yes)
			}
		})
		if own == 0 && !listed[command.Word] {
			row(command.Word, "", "", yes)
		}
	}
	return table
}

// otherwise says of fields what neither the specification's structs nor a
// refusal of them can tell.
var otherwise = map[string]string{
	"process.commandLine":   "for Windows: has no meaning here",
	"process.user.username": "for Windows: has no meaning here",
}

// fieldTable has a row for each field of config.json for Linux, and what
// becomes of one that is set.
func fieldTable(t *testing.T) string {
	t.Helper()
	table := "| config.json | ocibox |\n|---|---|\n"
	reasons := map[string]bool{}
	var walk func(name string, typ reflect.Type)
	walk = func(name string, typ reflect.Type) {
		mark := yes
		if why, ok := otherwise[name]; ok {
			mark, reasons[name] = "✘ "+why, true
		}
		elem, suffix := typ, ""
		for elem.Kind() == reflect.Pointer || elem.Kind() == reflect.Slice || elem.Kind() == reflect.Map && elem.Elem().Kind() == reflect.Struct {
			if elem.Kind() == reflect.Slice {
				suffix += "[]"
			}
			elem = elem.Elem()
		}
		if mark != yes || elem.Kind() != reflect.Struct {
			table += fmt.Sprintf("| %s | %s |\n", name, mark)
			return
		}
		for i := range elem.NumField() {
			f := elem.Field(i)
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if tag == "" && f.Anonymous {
				walk(name, f.Type)
				continue
			}
			if slices.Contains([]string{"solaris", "windows", "vm", "zos", "freebsd"}, tag) {
				continue // other platforms
			}
			walk(strings.TrimPrefix(name+suffix+"."+tag, "."), f.Type)
		}
	}
	walk("", reflect.TypeFor[specs.Spec]())
	for name := range otherwise {
		if !reasons[name] {
			t.Errorf("%s is in otherwise and no field", name)
		}
	}
	return table
}
