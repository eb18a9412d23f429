package netns

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// Add makes a network namespace of that name. Of one that fails nothing remains.
func Add(name string) error {
	return add(name, func(target string) error {
		p := clone.New()
		p.Flags = unix.CLONE_NEWNET
		p.Rendezvous(true)
		linked, err := p.Link()
		if err != nil {
			return err
		}
		defer linked.Close()
		proc, err := linked.Start()
		if err != nil {
			return err
		}
		err = bind(processFile(proc.Pid), target, 0)
		proc.Release()
		return errors.Join(err, proc.Kill())
	})
}

// Attach gives the network namespace of process pid a name.
func Attach(name string, pid int) error {
	return add(name, func(target string) error { return bind(processFile(pid), target, 0) })
}

// add makes the file of that name, and has it filled.
func add(name string, fill func(target string) error) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := prepare(); err != nil {
		return err
	}
	target := file(name)
	f, err := os.OpenFile(target, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		return fault.Op(err, "make network namespace %s", name)
	}
	f.Close()
	if err := fill(target); err != nil {
		return errors.Join(err, os.Remove(target))
	}
	return nil
}

// prepare makes the directory, and a mount point of it that is shared: so the
// names show up in other mount namespaces, and what is deleted here is not
// kept there.
func prepare() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return fault.Op(err, "make the directory of network namespaces")
	}
	d, err := os.Open(Dir)
	if err != nil {
		return fault.Op(err, "open the directory of network namespaces")
	}
	defer d.Close()
	// Two that begin at once would bind it twice. It ends with the descriptor.
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return fault.Op(err, "lock %s", Dir)
	}
	err = share()
	if err == unix.EINVAL { // it is no mount point yet
		if err := bind(Dir, Dir, unix.AT_RECURSIVE); err != nil {
			return err
		}
		err = share()
	}
	if err != nil {
		return fault.Op(err, "mount_setattr(%s, MS_SHARED)", Dir)
	}
	return nil
}

func share() error {
	return unix.MountSetattr(unix.AT_FDCWD, Dir, unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_SHARED})
}

// bind mounts what is at from onto to, with AT_RECURSIVE what is mounted below
// too. A symlink at either leads on.
func bind(from, to string, recursive uint) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|recursive)
	if err != nil {
		return fault.Op(err, "open_tree(%s)", from)
	}
	defer unix.Close(tree)
	return put(tree, to)
}

// put attaches a mount.
func put(mount int, to string) error {
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, to, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS); err != nil {
		return fault.Op(err, "move_mount(%s)", to)
	}
	return nil
}

// Delete takes the name away. The namespace lasts as long as a process is in
// it, or something else holds it.
func Delete(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	err := unix.Unmount(file(name), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == nil || err == unix.EINVAL { // a file that no namespace was bound over
		err = unix.Unlink(file(name))
	}
	if err != nil {
		return fault.Op(err, "delete network namespace %s", name)
	}
	return nil
}
