package rtnl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const seq = 7

func datagram(list ...message) (b []byte) {
	for _, m := range list {
		b = append(b, make([]byte, align(len(b))-len(b))...)
		b = append(b, m.bytes()...)
	}
	return b
}

// refused is an NLMSG_ERROR as the kernel sends it: with the request that it is
// of, or only with its header, and with words.
func refused(errno unix.Errno, whole bool, text string) message {
	request := message{kind: unix.RTM_GETLINK, seq: seq, data: make([]byte, unix.SizeofIfInfomsg)}
	m := message{kind: unix.NLMSG_ERROR, flags: unix.NLM_F_CAPPED, seq: seq}
	m.data = binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
	if back := request.bytes(); whole {
		m.flags = 0
		m.data = append(m.data, back...)
	} else {
		m.data = append(m.data, back[:unix.SizeofNlMsghdr]...)
	}
	if text != "" {
		var a Attrs
		a.AddUint32(unix.NLMSGERR_ATTR_OFFS, 16)
		a.AddString(unix.NLMSGERR_ATTR_MSG, text)
		m.flags |= unix.NLM_F_ACK_TLVS
		m.data = append(m.data, a.Bytes()...)
	}
	return m
}

// done ends a list.
func done(errno unix.Errno, text string) message {
	m := message{kind: unix.NLMSG_DONE, flags: unix.NLM_F_MULTI, seq: seq}
	m.data = binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
	if text != "" {
		var a Attrs
		a.AddString(unix.NLMSGERR_ATTR_MSG, text)
		m.flags |= unix.NLM_F_ACK_TLVS
		m.data = append(m.data, a.Bytes()...)
	}
	return m
}

func TestAnswer(t *testing.T) {
	one := message{kind: unix.RTM_NEWLINK, seq: seq, data: []byte("one")}
	part := message{kind: unix.RTM_NEWLINK, flags: unix.NLM_F_MULTI, seq: seq, data: []byte("part")}
	changed := message{kind: unix.RTM_NEWLINK, flags: unix.NLM_F_MULTI | unix.NLM_F_DUMP_INTR, seq: seq, data: []byte("part")}
	old := message{kind: unix.NLMSG_ERROR, seq: seq - 1, data: []byte{1, 2, 3, 4}}
	bare := message{kind: unix.NLMSG_DONE, flags: unix.NLM_F_MULTI, seq: seq}
	for name, c := range map[string]struct {
		come []message
		want int
		last bool
		err  error
		text string
	}{
		"one":                      {come: []message{one}, want: 1, last: true},
		"an old one, and one":      {come: []message{old, one}, want: 1, last: true},
		"only an old one":          {come: []message{old}},
		"the first of a list":      {come: []message{part, part}, want: 2},
		"a list":                   {come: []message{part, part, part, done(0, "")}, want: 3, last: true},
		"a list, ended by nothing": {come: []message{part, bare}, want: 1, last: true},
		"an empty list":            {come: []message{done(0, "")}, last: true},
		"a list that changed":      {come: []message{changed, part, done(0, "")}, want: 2, err: errInterrupted},
		"a list that is refused":   {come: []message{part, done(unix.ENOENT, "no table")}, want: 1, err: unix.ENOENT, text: "no such file or directory: no table"},
		"a list that breaks off":   {come: []message{part, done(unix.EMSGSIZE, "")}, want: 1, err: unix.EMSGSIZE, text: "message too long"},
		"an acknowledgement":       {come: []message{refused(0, false, "")}, last: true},
		"a warning":                {come: []message{refused(0, false, "by the way")}, last: true},
		"refused":                  {come: []message{refused(unix.EPERM, true, "")}, err: unix.EPERM, text: "operation not permitted"},
		"refused, in words":        {come: []message{refused(unix.EINVAL, true, "why")}, err: unix.EINVAL, text: "invalid argument: why"},
		"refused, capped":          {come: []message{refused(unix.EINVAL, false, "why")}, err: unix.EINVAL, text: "invalid argument: why"},
		"an error without number":  {come: []message{{kind: unix.NLMSG_ERROR, seq: seq}}, err: unix.EINVAL, text: "read an answer of rtnetlink: invalid argument"},
	} {
		a := answer{seq: seq}
		last, err := a.take(datagram(c.come...))
		if last != c.last || !errors.Is(err, c.err) || len(a.payloads) != c.want || c.text != "" && err.Error() != c.text {
			t.Errorf("%s: last %t, %v, %q", name, last, err, a.payloads)
		}
	}
}

func TestMessage(t *testing.T) {
	var b []byte
	sent := []message{{unix.RTM_NEWADDR, unix.NLM_F_REQUEST, 1, []byte("12345")}, {unix.RTM_GETADDR, unix.NLM_F_DUMP, 1<<32 - 1, nil}}
	b = datagram(sent...)
	for i, want := range sent {
		m, rest, ok := cutMessage(b)
		if !ok || m.kind != want.kind || m.flags != want.flags || m.seq != want.seq || !bytes.Equal(m.data, want.data) {
			t.Errorf("message %d: %+v", i, m)
		}
		b = rest
	}
	if len(b) != 0 {
		t.Errorf("%d bytes are left", len(b))
	}
}

// Whatever comes, reading it ends, and without a panic. What is cut is not
// taken for whole.
func TestBroken(t *testing.T) {
	var a Attrs
	a.AddString(unix.IFLA_IFNAME, "lo")
	part := message{kind: unix.RTM_NEWLINK, flags: unix.NLM_F_MULTI, seq: seq, data: append(make([]byte, unix.SizeofIfInfomsg), a.Bytes()...)}
	read := func(b []byte) (bool, error) {
		a := answer{seq: seq}
		last, err := a.take(b)
		for _, p := range a.payloads {
			ParseAttrs(p[min(len(p), unix.SizeofIfInfomsg):])
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%x: %v", b, err)
		}
		return last, err
	}
	for _, end := range []message{done(0, ""), done(unix.ENOENT, "text"), refused(0, false, ""), refused(unix.EINVAL, true, "text"), refused(unix.EINVAL, false, "text")} {
		whole := datagram(part, part, end)
		for size := range whole {
			if last, _ := read(whole[:size]); last {
				t.Errorf("%d bytes of %d are all", size, len(whole))
			}
		}
		for i := range whole {
			for _, v := range []byte{0, 1, 3, 0x7f, 0x80, 0xfc, 0xff} {
				b := slices.Clone(whole)
				b[i] = v
				read(b)
			}
		}
		for i := 0; i+4 <= len(whole); i += 4 {
			for _, v := range []uint32{0, 15, 16, 17, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 4, 1<<32 - 1} {
				b := slices.Clone(whole)
				binary.NativeEndian.PutUint32(b[i:], v)
				read(b)
			}
		}
	}
	if _, err := read(nil); err == nil {
		t.Error("nothing is an answer")
	}
}
