package runtime

import (
	"encoding/json"
	"time"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/early"
	"ocibox/core/fault"
)

// defaultInterval is runc's.
const defaultInterval = 5 * time.Second

func events(f *cli.Flags) action {
	once := f.Bool("stats", false, "print the figures once, and return")
	interval := f.Duration("interval", defaultInterval, "`TIME` between two of the figures, such as 500ms")
	return func(e *env, operands []string) error {
		out := json.NewEncoder(e.std.Out)
		id := operands[0]
		if *once {
			event, err := e.store.Stats(id)
			if err != nil {
				return err
			}
			return out.Encode(event)
		}
		if *interval <= 0 {
			return fault.Op(nil, "--interval %v is not a time to wait", *interval)
		}
		early.Unpin()
		return e.store.Events(id, *interval, func(event container.Event) error { return out.Encode(event) })
	}
}

func pause(*cli.Flags) action {
	return func(e *env, operands []string) error { return e.store.Pause(operands[0]) }
}

func resume(*cli.Flags) action {
	return func(e *env, operands []string) error { return e.store.Resume(operands[0]) }
}
