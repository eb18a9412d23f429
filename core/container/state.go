// Package container is the life of a container: create, start, kill, delete,
// and the folder that its state is kept in.
package container

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
	"ocibox/core/cgroup"
	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/leanjson"
)

// State is what is kept of a container, in state.json. Its first fields are
// those of runtime-spec, runtime.md, "State".
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Owner       uint32            `json:"owner"`               // uid of who created it
	Inode       uint64            `json:"inode,omitempty"`     // of a pidfd of Pid (proc.Inode), or 0: then there is a StartTime
	StartTime   uint64            `json:"startTime,omitempty"` // of Pid, in clock ticks since boot
	MountID     uint64            `json:"mountID,omitempty"`   // of Pid's mount namespace, or 0 (namespace.MountID)
	NoKeyring   bool              `json:"noKeyring,omitempty"` // its processes keep their callers' session keyrings
	NoHooks     bool              `json:"noHooks,omitempty"`   // its config.json has none: nobody need read it for them
	Annotations map[string]string `json:"annotations,omitempty"`
	// Paths are what Start will try to execute, in order, for its errors.
	Paths []string `json:"paths"`
	// Rdt are the resctrl groups that are to be removed with the container.
	Rdt []string `json:"rdt,omitempty"`
	// Cgroup is the container's, nil if it is in that of its creator.
	Cgroup *cgroup.Group `json:"cgroup,omitempty"`
}

// Store is the folder with one folder for each container, by its id.
type Store struct {
	Root string
	Warn func(string) // is told what went wrong that is no failure; nil for nobody
}

func (s Store) warn(text string) {
	if s.Warn != nil {
		s.Warn(text)
	}
}

// Container is one container's folder.
type Container struct {
	State
	dir    string
	locked bool
	folder int // holds the lock while it is locked
}

const (
	stateFile = "state.json"
	startSock = "start.sock"
)

// filterFile, in the Store's folder, is cgroup.Group.FilterFile. No container has such an id.
const filterFile = "device-filter~"

// maxID is NAME_MAX: an id is the name of a folder.
const maxID = 255

// CheckID says what is wrong with a container id. It takes what runc takes:
// letters, digits and _ + - . of ASCII.
func CheckID(id string) error {
	switch {
	case id == "":
		return fault.Op(nil, "the container id is empty")
	case len(id) > maxID:
		return fault.Op(nil, "the container id has %d bytes, more than %d", len(id), maxID)
	case id == "." || id == "..":
		return fault.Op(nil, "the container id %q is not a name", id)
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '+', c == '-', c == '.':
		default:
			return fault.Op(nil, "the container id %q has a %q: letters, digits and _+-. can be in it", id, c)
		}
	}
	return nil
}

// make makes the folder of a new container, locked. Nobody else makes one of
// that name.
func (s Store) make(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Root, 0o711); err != nil {
		return nil, fault.Op(err, "make the state folder %s", s.Root)
	}
	c := &Container{State: State{ID: id}, dir: filepath.Join(s.Root, id)}
	exists := fault.Op(nil, "container %s exists already", id).WithHint("its state is in %s; delete removes it", c.dir)
	for {
		err := os.Mkdir(c.dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			return nil, exists
		}
		if err != nil {
			return nil, fault.Op(err, "make the container's state folder")
		}
		// Before it is locked, delete --force may take it for a left-over.
		err = c.lock()
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// Then again, what is locked may be a folder that somebody else made
		// meanwhile, and used.
		if _, err := os.Lstat(filepath.Join(c.dir, stateFile)); err == nil {
			c.Unlock()
			return nil, exists
		}
		return c, nil
	}
}

// lock waits until nobody else has the container's folder. The cause of the
// error is ErrUnknown if it is not there, or not there any more.
func (c *Container) lock() error {
	fd, err := files.Open(c.dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return unknown(c.dir)
	}
	if err != nil {
		return fault.Op(err, "open the container's state folder")
	}
	if err := c.lockFolder(fd); err != nil {
		unix.Close(fd)
		return err
	}
	c.locked, c.folder = true, fd
	return nil
}

// lockFolder waits until nobody else has the lock on the open folder.
func (c *Container) lockFolder(fd int) (err error) {
	for {
		if err = unix.Flock(fd, unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return fault.Op(err, "lock %s", c.dir)
	}
	// Who had the lock may have removed the folder, and a third made another
	// of that name.
	var mine, there unix.Stat_t
	if err = unix.Fstat(fd, &mine); err == nil {
		err = unix.Stat(c.dir, &there)
	}
	switch {
	case err == unix.ENOENT || err == nil && (mine.Ino != there.Ino || mine.Dev != there.Dev):
		return unknown(c.dir)
	case err != nil:
		return fault.Op(err, "look at %s", c.dir)
	}
	return nil
}

// lend lets others change the container until take is called, which fails with
// ErrUnknown if one has deleted it. Nobody else writes its state.
func (c *Container) lend() (take func() error, err error) {
	fd := c.folder
	if err := unix.Flock(fd, unix.LOCK_UN); err != nil {
		return nil, fault.Op(err, "unlock %s", c.dir)
	}
	return func() error { return c.lockFolder(fd) }, nil
}

// unknown is the error about a container of which there is no folder.
func unknown(dir string) error {
	root, id := filepath.Split(dir)
	return fault.Op(ErrUnknown, "%s", id).WithHint("the state folder is %s; --root names another, list shows what is there", filepath.Clean(root))
}

// Unlock lets others change the container.
func (c *Container) Unlock() {
	if c.locked {
		unix.Close(c.folder)
		c.locked = false
	}
}

// ErrUnknown is the cause of an error about a container that is not there.
var ErrUnknown = errors.New("container does not exist")

// Load reads a container's state.
func (s Store) Load(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	c := &Container{dir: filepath.Join(s.Root, id)}
	data, err := files.Read(filepath.Join(c.dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		if _, err := os.Stat(c.dir); err == nil {
			// Being created, or never finished: no hook has been run for it, and
			// its config.json may not be whole.
			c.State = State{Version: specs.Version, ID: id, NoHooks: true}
			return c, nil
		}
		return nil, unknown(c.dir)
	}
	if err != nil {
		return nil, fault.Op(err, "read the state of %s", id)
	}
	if err := leanjson.Unmarshal(data, &c.State); err != nil {
		return nil, fault.Op(err, "read %s", filepath.Join(c.dir, stateFile))
	}
	return c, nil
}

// Lock is Load, with the container locked: nobody else changes it meanwhile.
func (s Store) Lock(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	locked := &Container{dir: filepath.Join(s.Root, id)}
	if err := locked.lock(); err != nil {
		return nil, err
	}
	c, err := s.Load(id)
	if err != nil {
		locked.Unlock()
		return nil, err
	}
	c.locked, c.folder = true, locked.folder
	return c, nil
}

// List gives the state of every container, by id. One that goes meanwhile is
// left out; one that cannot be read is in the error.
func (s Store) List() ([]*Container, error) {
	entries, err := os.ReadDir(s.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Op(err, "read the state folder")
	}
	var list []*Container
	var failed error
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		c, err := s.Load(e.Name())
		switch {
		case err == nil:
			list = append(list, c)
		case !errors.Is(err, ErrUnknown):
			failed = errors.Join(failed, err)
		}
	}
	slices.SortFunc(list, func(a, b *Container) int { return a.Created.Compare(b.Created) })
	return list, failed
}

// save writes state.json by rename: a reader sees the old one or the new one.
func (c *Container) save() error {
	return c.write(func(path string, data []byte) error { return files.Replace(path, data, 0o600) })
}

// saveFirst is save where there is none: a reader sees nothing in it, which is as none, or
// all of it.
func (c *Container) saveFirst() error {
	return c.write(func(path string, data []byte) error {
		const atOnce = 4096 // of a write is seen at once: a page
		if len(data) > atOnce {
			return files.Replace(path, data, 0o600)
		}
		return files.Create(path, data)
	})
}

func (c *Container) write(do func(path string, data []byte) error) error {
	data, err := leanjson.Marshal(c.State)
	if err != nil {
		return fault.Op(err, "write the state of %s", c.ID)
	}
	return do(filepath.Join(c.dir, stateFile), data)
}

// keep writes config.json next to where state.json will be. What is changed in the bundle's
// from here on does not affect the container (runtime.md, "Lifecycle").
func (c *Container) keep(config []byte) error {
	return files.Create(filepath.Join(c.dir, bundle.ConfigName), config)
}

// change writes another config.json in its place.
func (c *Container) change(config []byte) error {
	return files.Replace(filepath.Join(c.dir, bundle.ConfigName), config, 0o600)
}

// hooked is Spec for who wants nothing of it but the hooks.
func (c *Container) hooked() (*specs.Spec, error) {
	if c.NoHooks {
		return &specs.Spec{}, nil
	}
	return c.Spec()
}

// Spec is the config.json that the container was created from. The error's cause
// is ErrUnknown if somebody deletes the container meanwhile.
func (c *Container) Spec() (*specs.Spec, error) {
	s, _, err := bundle.LoadFile(filepath.Join(c.dir, bundle.ConfigName))
	if errors.Is(err, fs.ErrNotExist) && !c.locked {
		// Whoever deletes it has it locked up to the end.
		locked := &Container{dir: c.dir}
		if lockErr := locked.lock(); lockErr != nil {
			return nil, lockErr
		}
		locked.Unlock()
	}
	return s, err
}

// remove takes the container's folder away.
func (c *Container) remove() error {
	// Mostly there is nothing else in it.
	for _, name := range [...]string{bundle.ConfigName, stateFile} {
		_ = unix.Unlink(filepath.Join(c.dir, name)) // what is left, and why, is told below
	}
	if unix.Rmdir(c.dir) == nil {
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fault.Op(err, "remove the state of %s", c.ID)
	}
	return nil
}
