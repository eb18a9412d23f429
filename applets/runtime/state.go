package runtime

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/applets/cli"
	"ocibox/core/container"
)

// record is a container as state and list print it: the fields of runtime.md,
// "State", and runc's.
type record struct {
	Version     string               `json:"ociVersion"`
	ID          string               `json:"id"`
	Pid         int                  `json:"pid"`
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	Owner       string               `json:"owner"`
}

func newRecord(c *container.Container) (record, error) {
	status, err := c.Status()
	r := record{c.Version, c.ID, c.Pid, status, c.Bundle, c.Rootfs, c.Created, c.Annotations, owner(c.Owner)}
	if status == specs.StateStopped {
		r.Pid = 0 // the number may be another process's by now
	}
	return r, err
}

// owners are the names that were looked for, most containers having one owner.
var owners = map[uint32]string{}

// owner is the name of a uid, or "#" and the number where nobody has it.
func owner(uid uint32) string {
	name, ok := owners[uid]
	if !ok {
		users, err := user.ParsePasswdFileFilter("/etc/passwd", func(u user.User) bool { return u.Uid == int(uid) })
		if name = "#" + strconv.Itoa(int(uid)); err == nil && len(users) > 0 {
			name = users[0].Name
		}
		owners[uid] = name
	}
	return name
}

func state(*cli.Flags) action {
	return func(e *env, operands []string) error {
		c, err := e.store.Load(operands[0])
		if err != nil {
			return err
		}
		r, err := newRecord(c)
		if err != nil {
			return err
		}
		return printJSON(e.std.Out, r, "  ")
	}
}

func list(f *cli.Flags) action {
	format := f.Choice("format", "f", []string{"table", "json"}, "form of the list")
	quiet := f.BoolP("quiet", "q", false, "only the ids")
	return func(e *env, _ []string) error {
		containers, failed := e.store.List()
		out := bufio.NewWriter(e.std.Out) // a table comes cell by cell
		var err error
		if *quiet {
			for _, c := range containers {
				fmt.Fprintln(out, c.ID)
			}
		} else {
			err = printList(out, containers, *format)
		}
		if err == nil {
			err = out.Flush()
		}
		if err == nil {
			err = failed
		}
		return err
	}
}

func printList(out io.Writer, containers []*container.Container, format string) error {
	records := []record{}
	for _, c := range containers {
		r, err := newRecord(c)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	if format == "json" {
		return printJSON(out, records, "")
	}
	w := tabwriter.NewWriter(out, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, r := range records {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", r.ID, r.Pid, r.Status, r.Bundle, r.Created.Format(time.RFC3339Nano), r.Owner)
	}
	return w.Flush()
}
