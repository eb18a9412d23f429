package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"ocibox/core/container"
	"ocibox/core/enter"
	"ocibox/core/fault"
	"ocibox/core/proc"
)

// The statuses of a program that was not executed, as env(1) has them.
const (
	absentStatus = 127
	failedStatus = 126
)

// RunJob runs the job and ends as its program does, or only explains it.
func RunJob(std Std, name string, job *enter.Job, explain bool) error {
	defer job.Close()
	for _, w := range job.Warnings {
		fmt.Fprintf(std.Err, "%s: %s\n", name, w)
	}
	if explain {
		return job.Explain(std.Out)
	}
	status, err := job.Run()
	var failed *enter.Failed
	switch {
	case errors.As(err, &failed) && failed.Absent:
		return &Failure{absentStatus, err}
	case errors.As(err, &failed):
		return &Failure{failedStatus, err}
	case err != nil:
		return err
	case status.Signaled():
		if err := proc.Die(status.Signal()); err != nil {
			return err
		}
		return Status(128 + int(status.Signal()))
	}
	return Status(status.ExitStatus())
}

// ParseID reads a uid or a gid: decimal digits, and no more than an id may be;
// the last number means none.
func ParseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fault.Op(nil, "is no id from 0 to %d", uint32(math.MaxUint32-1))
	}
	return uint32(n), nil
}

// Containers are the candidates for an ID of the state folder, of which root is
// the value of its option.
func Containers(root string) (list []Candidate) {
	dir, err := StateRoot(root, "auto")
	if err != nil {
		return nil // what is wrong is told when the command is run
	}
	// Containers that cannot be read have a name all the same.
	all, _ := container.Store{Root: dir}.List()
	for _, c := range all {
		list = append(list, Candidate{c.ID, c.Bundle})
	}
	return list
}
