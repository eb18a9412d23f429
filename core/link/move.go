package link

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Moved is a network device that was moved to another network namespace. It
// holds both namespaces until Close.
type Moved struct {
	here, there *network
	old, now    device
	addresses   []address
}

// Move moves the device called name from the network namespace of the calling
// thread to the one that path refers to, as newName, which may be a template.
// There it has its permanent global addresses, and is up. Its hardware address
// and MTU the kernel keeps; routes, and the addresses that the kernel itself
// made, it does not. Of a move that fails nothing remains. CheckName and
// CheckNewName say what the names may be.
func Move(path, name, newName string) (*Moved, error) {
	m := &Moved{}
	err := m.move(path, name, newName)
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Moved) move(path, name, newName string) error {
	var err error
	if m.here, err = openNetwork(ownNS); err != nil {
		return err
	}
	if m.old, err = m.here.device(name, 0); err != nil {
		return fault.Op(err, "find network device %s", name)
	}
	if m.old.name != name {
		return fault.Op(nil, "%s is only another name of network device %s", name, m.old.name)
	}
	if m.there, err = openNetwork(path); err != nil {
		return err
	}
	same, err := m.here.same(m.there)
	if err != nil {
		return fault.Op(err, "compare network namespaces")
	}
	if same {
		return fault.Op(nil, "the container's network namespace is the one that %s is in", name)
	}
	if m.addresses, err = m.here.addresses(m.old.index); err != nil {
		return fault.Op(err, "list the addresses of %s", name)
	}
	index, err := m.there.free(m.old.index, newName)
	if err != nil {
		return err
	}
	if err := m.here.send(m.old.index, m.there, newName, index); err != nil {
		return and(fault.Op(err, "move %s to the container's network namespace as %s", name, newName), m.recall(index))
	}
	m.now = device{index: index, name: newName}
	if err := m.arrive(); err != nil {
		return and(err, m.Back())
	}
	return nil
}

// arrive makes the device what it is to be where it is now.
func (m *Moved) arrive() error {
	d, err := m.there.device("", m.now.index)
	if err != nil {
		return fault.Op(err, "find network device %s in the container's network namespace", m.now.name)
	}
	m.now = d // with the name that the kernel made of a template
	return m.there.settle(d, m.old.name, m.addresses, true)
}

// and is err with what went wrong when it was to be mended, if anything.
func and(err, then error) error {
	if then == nil {
		return err
	}
	return fault.Op(then, "%v; and then", err)
}

// free finds an index that no device of the namespace has, and makes sure that
// none has the name.
func (n *network) free(index int32, name string) (int32, error) {
	list, err := n.devices()
	if err != nil {
		return 0, err
	}
	var last int32
	for _, d := range list {
		if d.name == name {
			return 0, fault.Op(nil, "%s is the name of another network device in the container's network namespace", name)
		}
		last = max(last, d.index)
	}
	if slices.ContainsFunc(list, func(d device) bool { return d.index == index }) {
		return last + 1, nil
	}
	return index, nil
}

// recall takes the device back if it was moved and then could not be renamed:
// to the kernel those are two steps.
func (m *Moved) recall(index int32) error {
	_, err := m.here.device("", m.old.index)
	if !errors.Is(err, unix.ENODEV) {
		return err
	}
	if m.now, err = m.there.device("", index); err != nil {
		return fault.Op(err, "find network device %s", m.old.name)
	}
	return m.Back()
}

// settle gives a device that has come to the namespace its addresses, and
// brings it up. It was called from where it was.
func (n *network) settle(d device, from string, addresses []address, up bool) error {
	for _, a := range addresses {
		if err := n.add(a, d.index, from, d.name); err != nil {
			return err
		}
	}
	if !up {
		return nil
	}
	if err := n.setUp(d.index); err != nil {
		return fault.Op(err, "set %s up", d.name)
	}
	return nil
}

// Back moves the device to where it was, with the name, the addresses and the
// state that it had. After Close it does nothing.
func (m *Moved) Back() error {
	if m.here == nil {
		return nil
	}
	if err := m.there.send(m.now.index, m.here, m.old.name, m.old.index); err != nil {
		return fault.Op(err, "move %s back as %s", m.now.name, m.old.name)
	}
	return m.here.settle(m.old, m.old.name, m.addresses, m.old.up)
}

// Close lets go of the namespaces: from then on the device shares the fate of
// the one that it is in.
func (m *Moved) Close() {
	for _, n := range []*network{m.here, m.there} {
		if n != nil {
			n.close()
		}
	}
	m.here, m.there = nil, nil
}
