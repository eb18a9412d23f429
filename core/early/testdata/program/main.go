// Program tells, as a Go literal a line, what it has of core/early.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/early"
	"ocibox/core/nofile"
)

// processors are those that a thread may run on, and its policy where that is not the usual.
func processors(tid int) string {
	var set unix.CPUSet
	err := unix.SchedGetaffinity(tid, &set)
	list := ""
	if attr, err := unix.SchedGetAttr(tid, 0); err != nil || attr.Policy != unix.SCHED_NORMAL {
		list = fmt.Sprint("policy ", attr, err)
	}
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			list += fmt.Sprint("+", cpu)
		}
	}
	if err != nil {
		list += err.Error()
	}
	return list
}

// cloned is what a child of core/clone says, which executes the program as "child".
func cloned() string {
	r, w, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	p := clone.New()
	out := p.Inherit("out")
	p.Call(unix.SYS_DUP3, clone.In(out), clone.Num(1), clone.Num(0))
	p.Exec([]string{"/proc/self/exe"}, []string{"program", "child"}, nil)
	l, err := p.Link()
	if err != nil {
		return err.Error()
	}
	defer l.Close()
	proc, err := l.Start(clone.FD{Reg: out, FD: int(w.Fd())})
	if err != nil {
		return err.Error()
	}
	w.Close()
	if err := proc.Next(); !errors.Is(err, clone.ErrExec) {
		return fmt.Sprint(err)
	}
	said, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	if _, err := proc.Wait(); err != nil {
		return err.Error()
	}
	return string(said)
}

func main() {
	before := os.Getenv("GOMAXPROCS")
	early.Here()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	pinned := processors(0)
	cloning, again := "", ""
	if len(os.Args) == 1 || !slices.Contains([]string{"child", "limits", "again", "second"}, os.Args[1]) {
		runtime.LockOSThread() // it is the first
		cloning, again = cloned(), processors(0)
		runtime.UnlockOSThread()
	}
	early.Unpin()
	first := processors(0)
	if len(os.Args) > 1 && os.Args[1] == "child" {
		fmt.Print(slack, err, first)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "limits" {
		var now unix.Rlimit
		err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now)
		soft, hard, ok := nofile.AtStart()
		open := 0
		for fd := range 10 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				open++
			}
		}
		fmt.Printf("nofile %d %d %v\nnow %d %v\nopen %d\nprofile %d\n", soft, hard, ok, now.Cur, err, open, runtime.MemProfileRate)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "again" {
		runtime.LockOSThread() // so that the other is on another thread
		go func() { fmt.Print(early.Exec("/proc/self/exe", []string{os.Args[0], "second"}, early.Environ())) }()
		select {}
	}
	if len(os.Args) > 1 && os.Args[1] == "second" {
		var signal int32
		err2 := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&signal)), 0, 0, 0)
		fmt.Println("death", signal, err2)
		fmt.Printf("slack %q\n", fmt.Sprint(slack, err, first))
		fmt.Println("procs", runtime.GOMAXPROCS(0))
		return
	}
	run := func() []byte {
		defer early.Plainly()()
		out, err := exec.Command("/proc/self/exe", "child").CombinedOutput()
		if err != nil {
			out = []byte(err.Error())
		}
		return out
	}
	runtime.LockOSThread() // it is the first
	child := run()
	after := processors(0)
	runtime.UnlockOSThread()
	elsewhere := make(chan []byte)
	go func() {
		runtime.LockOSThread() // so that it ends with this
		elsewhere <- append(run(), " "+cloned()...)
	}()
	// The oldest thread but the first is the runtime's monitor.
	monitor, its := "none", ""
	if tasks, err := os.ReadDir("/proc/self/task"); err == nil && len(tasks) > 1 {
		text, err := os.ReadFile("/proc/" + tasks[1].Name() + "/timerslack_ns")
		if monitor = strings.TrimSpace(string(text)); err != nil {
			monitor = err.Error()
		}
		tid, _ := strconv.Atoi(tasks[1].Name())
		its = processors(tid)
	}
	early.Stay()
	stayed := ""
	if tasks, err := os.ReadDir("/proc/self/task"); err == nil {
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if its := processors(tid); its != first {
				stayed += task.Name() + its + " "
			}
		}
	}
	fmt.Println("none", early.Environ() == nil)
	fmt.Printf("procs %d\nbefore %q\nargs %q\nenv %q\nslack %q\nA %q\nchild %q\nelsewhere %q\nmonitor %q\nprocessors %d\nstayed %q\npinned %q\n",
		runtime.GOMAXPROCS(0), before, os.Args, early.Environ(), fmt.Sprint(slack, err, first), early.Getenv("A"), child, <-elsewhere, monitor, strings.Count(its, "+"), stayed,
		fmt.Sprint(strings.Count(pinned, "+"), strings.Count(again, "+"), " ", cloning, " ", after))
}
