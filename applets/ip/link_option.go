package ip

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/rtnl"
)

// Words that stand for numbers.
var (
	portStates   = naming{max: 255, known: []name{{0, "disabled"}, {1, "listening"}, {2, "learning"}, {3, "forwarding"}, {4, "blocking"}}}
	macvlanModes = naming{known: []name{{1, "private"}, {2, "vepa"}, {4, "bridge"}, {8, "passthru"}, {16, "source"}}}
	macvlanFlags = naming{known: []name{{1, "nopromisc"}, {2, "nodst"}}}
	ipvlanModes  = naming{known: []name{{0, "l2"}, {1, "l3"}, {2, "l3s"}}}
	ipvlanFlags  = naming{known: []name{{1, "private"}, {2, "vepa"}, {0, "bridge"}}}
	vlanFlags    = naming{known: []name{{1, "reorder_hdr"}, {2, "gvrp"}, {4, "loose_binding"}, {8, "mvrp"}, {16, "bridge_binding"}}}
	vlanProtos   = naming{max: 1<<16 - 1, known: []name{{unix.ETH_P_8021Q, "802.1Q"}, {unix.ETH_P_8021AD, "802.1ad"}}}
	boolOptions  = naming{known: []name{{1, "no_linklocal_learn"}, {2, "mcast_vlan_snooping"}}}
)

func kindOf(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

func readOnOff(word string) (on, ok bool) { return word == "on", word == "on" || word == "off" }

// option finds the one that word is, or else begins.
func (k *kind) option(word string) *option {
	for _, whole := range []bool{true, false} {
		for i := range k.options {
			o := &k.options[i]
			name, only := strings.CutPrefix(o.word, "=")
			if name != "" && (word == name || !whole && !only && strings.HasPrefix(name, word)) {
				return o
			}
		}
	}
	return nil
}

// readOptions reads the words behind a type into what stands in its place in
// the message.
func (c *command) readOptions(k *kind, w *words) (rtnl.Attrs, error) {
	var data rtnl.Attrs
	for w.more() {
		word := w.word()
		o := k.option(word)
		switch {
		case o == nil:
			return nil, bad("%s: option %q is not known", k.name, word)
		case o.form == presence:
			data.Add(o.attr, nil)
			continue
		case o.attr == rtnl.VETH_INFO_PEER && k.name == "veth":
			peer := &linkSpec{peer: true}
			if err := c.readLink(peer, w); err != nil {
				return nil, err
			}
			data.Add(o.attr, peer.Peer())
			continue
		}
		if n := flagsOf(k, o); n == &macvlanFlags || n == &ipvlanFlags {
			bit, _ := n.number(o.word)
			v, _ := data.Number(o.attr)
			data.Set(o.attr, binary.NativeEndian.AppendUint16(nil, uint16(v)|uint16(bit)))
			continue
		}
		value, err := w.next()
		if err != nil {
			return nil, err
		}
		switch {
		case o.word == "macaddr":
			err = readSources(&data, value, w)
		case o.form == special && strings.HasSuffix(o.word, "-qos-map"):
			err = readQoS(&data, o, value, w)
		case o.form == special:
			err = readSpecial(&data, k, o, value)
		case !readValue(&data, o, value):
			err = bad("%q is no value of %s", value, o.word)
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// readValue reads the value of an option without code of its own.
func readValue(data *rtnl.Attrs, o *option, value string) bool {
	switch o.form {
	case onOff:
		if value != "on" && value != "off" {
			return false
		}
		data.Add(o.attr, []byte{byte(len("off") - len(value))})
	case hardwareForm:
		b, err := readHardware(value)
		if err != nil || len(b) != 6 {
			return false
		}
		data.Add(o.attr, b)
	case protocolForm:
		v, ok := vlanProtos.number(strings.ToUpper(value[:max(0, len(value)-2)]) + value[max(0, len(value)-2):])
		if !ok {
			v, ok = vlanProtos.number(value)
		}
		if !ok {
			return false
		}
		data.Add(o.attr, binary.BigEndian.AppendUint16(nil, uint16(v)))
	default:
		v, err := strconv.ParseUint(value, 0, 8*o.form.size())
		if err != nil {
			return false
		}
		data.AddNumber(o.attr, o.form.size(), v)
	}
	return true
}

// flagsOf are the names of the bits of an attribute that several options are
// of, or nil.
func flagsOf(k *kind, o *option) *naming {
	switch {
	case o.form != special:
	case k.name == "bridge":
		return &boolOptions
	case k.name == "vlan" && o.attr == unix.IFLA_VLAN_FLAGS:
		return &vlanFlags
	case strings.HasPrefix(k.name, "macv") && o.attr == unix.IFLA_MACVLAN_FLAGS:
		return &macvlanFlags
	case strings.HasPrefix(k.name, "ipv") && o.attr == unix.IFLA_IPVLAN_FLAGS:
		return &ipvlanFlags
	}
	return nil
}

// modesOf are the words for the numbers of an option.
func modesOf(k *kind, o *option) (words *naming, size int) {
	switch {
	case o.word == "state":
		return &portStates, 1
	case o.word == "mode" && strings.HasPrefix(k.name, "ipv"):
		return &ipvlanModes, 2
	case o.word == "mode":
		return &macvlanModes, 4
	}
	return nil, 0
}

// readSpecial reads the value of an option with code of its own.
func readSpecial(data *rtnl.Attrs, k *kind, o *option, value string) error {
	wrong := bad("%q is no value of %s", value, o.word)
	if flags := flagsOf(k, o); flags != nil {
		// The value, and behind it the bits that are to be changed.
		on := value == "on" || value == "1"
		if !on && value != "off" && value != "0" {
			return wrong
		}
		bit, _ := flags.number(o.word)
		b := make([]byte, 8)
		copy(b, data.Get(o.attr))
		if on {
			binary.NativeEndian.PutUint32(b, binary.NativeEndian.Uint32(b)|bit)
		}
		binary.NativeEndian.PutUint32(b[4:], binary.NativeEndian.Uint32(b[4:])|bit)
		data.Set(o.attr, b)
		return nil
	}
	words, size := modesOf(k, o)
	if words == nil { // mcast_fast_leave, which has another word too
		if !readValue(data, &option{attr: o.attr, form: onOff}, value) {
			return wrong
		}
		return nil
	}
	v, ok := words.number(value)
	if !ok {
		return wrong
	}
	data.AddNumber(o.attr, size, uint64(v))
	return nil
}

// readQoS reads FROM:TO once or more.
func readQoS(data *rtnl.Attrs, o *option, value string, w *words) error {
	var list rtnl.Attrs
	for {
		from, to, ok := strings.Cut(value, ":")
		a, err := strconv.ParseUint(from, 0, 32)
		b, err2 := strconv.ParseUint(to, 0, 32)
		if !ok || err != nil || err2 != nil {
			return bad("%q is no value of %s, which is FROM:TO", value, o.word)
		}
		m := binary.NativeEndian.AppendUint32(nil, uint32(a))
		list.Add(unix.IFLA_VLAN_QOS_MAPPING, binary.NativeEndian.AppendUint32(m, uint32(b)))
		if !w.more() || !strings.Contains(w.rest[0], ":") {
			break
		}
		value = w.word()
	}
	data.AddNested(o.attr, list)
	return nil
}

// showKind prints what kind of device it is, and what that says of it.
func (c *command) showKind(info rtnl.Attrs) {
	c.open("linkinfo")
	for _, part := range [...]struct {
		kind, data uint16
		key, text  string
		suffix     string
	}{
		{unix.IFLA_INFO_KIND, unix.IFLA_INFO_DATA, "info", "    %s ", ""},
		{unix.IFLA_INFO_SLAVE_KIND, unix.IFLA_INFO_SLAVE_DATA, "info_slave", "    %s_slave ", "_slave"},
	} {
		if info.Get(part.kind) == nil {
			continue
		}
		name := info.String(part.kind)
		c.newline()
		c.str(part.key+"_kind", part.text, name)
		if k := kindOf(name + part.suffix); k != nil && name != "veth" {
			c.open(part.key + "_data")
			if info.Get(part.data) != nil {
				c.showOptions(k, info.Nested(part.data))
			}
			c.close()
		}
	}
	c.close()
}

func (c *command) showOptions(k *kind, data rtnl.Attrs) {
	for i := range k.options {
		o := &k.options[i]
		b := data.Get(o.attr)
		if o.word == "macaddr" {
			c.showSources(data)
		}
		if b == nil || o.text == "" {
			continue
		}
		key := o.key
		if key == "" {
			key = o.text
		}
		v, _ := data.Number(o.attr)
		text := func(s string) { c.str(key, o.text+" %s ", s) }
		switch o.form {
		case onOff:
			c.truth(key, o.text+" "+[...]string{"off", "on"}[min(v, 1)]+" ", v != 0)
		case hexMask:
			if v == 0 {
				text("0") // as printf(3) has it
			} else {
				text(fmt.Sprintf("%#x", v))
			}
		case hexNumber:
			text(fmt.Sprintf("0x%x", v))
		case hardwareForm:
			text(hardware(b))
		case protocolForm:
			text(vlanProtos.text(uint32(binary.BigEndian.Uint16(b)), false))
		case timer:
			c.decimal(key, o.text+" %7s ", fmt.Sprintf("%d.%02d", v/100, v%100))
		case bridgeID:
			if len(b) >= 8 {
				text(fmt.Sprintf("%02x%02x.%x:%x:%x:%x:%x:%x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]))
			}
		case special:
			c.showSpecial(k, o, key, b, v)
		default:
			c.num(key, o.text+" %d ", int64(v))
		}
	}
}

func (c *command) showSpecial(k *kind, o *option, key string, b []byte, v uint64) {
	flags := flagsOf(k, o)
	words, _ := modesOf(k, o)
	switch {
	case words == &portStates && v > 4:
		c.num("state_index", "state (%d) ", int64(v))
	case words == &ipvlanModes:
		c.str(key, " mode %s ", words.text(uint32(v), false))
	case words != nil:
		c.str(key, o.text+" %s ", words.text(uint32(v), false))
	case flags == &boolOptions && len(b) >= 8:
		bit, _ := flags.number(o.word)
		if binary.NativeEndian.Uint32(b[4:])&bit != 0 {
			c.num(key, o.text+" %d ", int64(min(1, binary.NativeEndian.Uint32(b)&bit)))
		}
	case flags == &vlanFlags && len(b) >= 8:
		c.array(key)
		c.text("<")
		var list []string
		left := binary.NativeEndian.Uint32(b)
		for _, n := range [...]string{"reorder_hdr", "gvrp", "mvrp", "loose_binding", "bridge_binding"} {
			if bit, _ := flags.number(n); left&bit != 0 {
				left &^= bit
				list = append(list, strings.ToUpper(n))
			}
		}
		if left != 0 {
			list = append(list, strconv.FormatUint(uint64(left), 16))
		}
		c.strings(list)
		c.text("> ")
		c.endArray()
	case flags == &macvlanFlags || flags == &ipvlanFlags:
		// Of ipvlan's, none is "bridge".
		if bit, _ := flags.number(o.word); uint32(v)&bit != 0 || bit == 0 && v&3 == 0 {
			c.truth(key, o.text+" ", true)
		}
	case o.word == "mcast_fast_leave":
		c.text("%s %s ", o.text, [...]string{"off", "on"}[min(v, 1)])
	case key == "group_fwd_mask_str":
		c.str(key, o.text+" %s ", forwarded(uint16(v)))
	case strings.HasSuffix(o.text, "-qos-map"):
		c.showQoS(o, key, b)
	}
}

// forwarded tells in words which groups of addresses a port forwards.
func forwarded(mask uint16) string {
	if mask == 0 {
		return "0x0"
	}
	var list []string
	for i := range 16 {
		switch {
		case mask&(1<<i) == 0:
		case i == 0:
			list = append(list, "stp")
		case i == 2:
			list = append(list, "lacp")
		case i == 14:
			list = append(list, "lldp")
		default:
			list = append(list, fmt.Sprintf("0x%x", 1<<i))
		}
	}
	return strings.Join(list, ",")
}

// Values of IFLA_MACVLAN_MACADDR_MODE, linux/if_link.h.
var sourceModes = naming{known: []name{{0, "add"}, {1, "del"}, {2, "flush"}, {3, "set"}}}

// readSources reads which addresses a macvlan in mode source is to take, or is
// to take no more.
func readSources(data *rtnl.Attrs, value string, w *words) error {
	mode, ok := sourceModes.number(value)
	if !ok {
		return bad("%q is none of add, del, flush and set", value)
	}
	data.AddUint32(unix.IFLA_MACVLAN_MACADDR_MODE, mode)
	var list rtnl.Attrs
	for value == "set" && w.more() || len(list) == 0 && (value == "add" || value == "del") {
		word, err := w.next()
		if err != nil {
			return err
		}
		b, err := readHardware(word)
		if err != nil {
			return err
		}
		list.Add(unix.IFLA_MACVLAN_MACADDR, b)
	}
	switch {
	case value == "set":
		data.AddNested(unix.IFLA_MACVLAN_MACADDR_DATA, list)
	case list != nil:
		data.Add(unix.IFLA_MACVLAN_MACADDR, list[0].Value)
	}
	return nil
}

// showSources prints the addresses that a macvlan in mode source takes.
func (c *command) showSources(data rtnl.Attrs) {
	if mode, _ := data.Number(unix.IFLA_MACVLAN_MODE); macvlanModes.text(uint32(mode), false) != "source" {
		return
	}
	c.number(data, unix.IFLA_MACVLAN_MACADDR_COUNT, "macaddr_count", "remotes (%d) ")
	if data.Get(unix.IFLA_MACVLAN_MACADDR_DATA) == nil {
		return
	}
	c.array("macaddr_data")
	for _, at := range data.Nested(unix.IFLA_MACVLAN_MACADDR_DATA) {
		if at.Type == unix.IFLA_MACVLAN_MACADDR {
			c.str("", "%s ", hardware(at.Value))
		}
	}
	c.endArray()
}

func (c *command) showQoS(o *option, key string, b []byte) {
	list, err := rtnl.ParseAttrs(b)
	if err != nil {
		return
	}
	c.array(key)
	c.newline()
	c.text("      %s { ", o.text)
	for _, at := range list {
		if len(at.Value) < 8 {
			continue
		}
		from, to := binary.NativeEndian.Uint32(at.Value), binary.NativeEndian.Uint32(at.Value[4:])
		c.text("%d:%d ", from, to)
		if c.json {
			c.open("")
			c.num("from", "", int64(from))
			c.num("to", "", int64(to))
			c.close()
		}
	}
	c.text("} ")
	c.endArray()
}
