package dbus

import (
	"bufio"
	"fmt"
	"io"
)

// Types of messages, and the codes of their header's fields, "Message format".
const (
	MethodCall   = 1
	MethodReturn = 2
	ErrorReply   = 3
	Signal       = 4

	fieldPath        = 1
	fieldInterface   = 2
	fieldMember      = 3
	fieldErrorName   = 4
	fieldReplySerial = 5
	fieldDestination = 6
	fieldSender      = 7
	fieldSignature   = 8
)

// Message is what goes over the wire.
type Message struct {
	Kind                    byte
	Serial                  uint32
	Reply                   uint32 // serial of the call that it answers
	ErrorName               string
	Path, Interface, Member string
	Destination             string
	Sender                  string // unique name on the bus; "" without a bus between
	Body                    []Value
}

// Encode is the message in bytes, the least significant first.
func (m Message) Encode() []byte {
	fields := Value{Sig: "a(yv)"}
	add := func(code byte, v Value) {
		if v.Str != "" || v.Num != 0 {
			fields.List = append(fields.List, Struct(Value{Sig: "y", Num: uint64(code)}, Variant(v)))
		}
	}
	add(fieldPath, Value{Sig: "o", Str: m.Path})
	add(fieldInterface, String(m.Interface))
	add(fieldMember, String(m.Member))
	add(fieldErrorName, String(m.ErrorName))
	add(fieldReplySerial, Uint32(m.Reply))
	add(fieldDestination, String(m.Destination))
	add(fieldSender, String(m.Sender))
	add(fieldSignature, Value{Sig: "g", Str: signature(m.Body)})
	var body encoder
	for _, v := range m.Body {
		body.put(v)
	}
	const flags, version = 0, 1
	e := encoder{'l', m.Kind, flags, version}
	e.number(uint64(len(body)), 4)
	e.number(uint64(m.Serial), 4)
	e.put(fields)
	e.align(8)
	return append(e, body...)
}

// A message of more than maxMessage is no message, by the specification. What
// is meant for us has at most maxTaken.
const (
	maxMessage = 128 << 20
	maxTaken   = 64 << 10
)

// ReadMessage reads a message. The body of one with more than maxTaken bytes is
// passed over.
func ReadMessage(r *bufio.Reader) (m Message, err error) {
	const fixed = 16 // with the length of the fields
	header := make([]byte, fixed)
	if _, err := io.ReadFull(r, header); err != nil {
		return m, err
	}
	d := &decoder{data: header, at: 4, big: header[0] == 'B'}
	if !d.big && header[0] != 'l' {
		return m, fmt.Errorf("the message is malformed: byte order %q", header[0])
	}
	m.Kind = header[1]
	length := d.number(4)
	m.Serial = uint32(d.number(4))
	fields := d.number(4)
	if fields > maxTaken || length > maxMessage {
		return m, fmt.Errorf("the message is malformed: %d bytes of header, %d of body", fields, length)
	}
	d.data = append(header, make([]byte, (fields+7)&^7)...)
	if _, err := io.ReadFull(r, d.data[fixed:]); err != nil {
		return m, err
	}
	d.at = fixed - 4
	list, _ := d.value("a(yv)", 0)
	if d.err != nil {
		return m, d.err
	}
	sig := m.take(list.List)
	if length > maxTaken {
		_, err := io.CopyN(io.Discard, r, int64(length))
		return m, err
	}
	d = &decoder{data: make([]byte, length), big: d.big}
	if _, err := io.ReadFull(r, d.data); err != nil {
		return m, err
	}
	for sig != "" && d.err == nil {
		var v Value
		v, sig = d.value(sig, 0)
		m.Body = append(m.Body, v)
	}
	return m, d.err
}

// take takes over the header's fields, and gives the body's signature.
func (m *Message) take(fields []Value) (sig string) {
	for _, f := range fields {
		v := f.List[1].List[0]
		switch f.List[0].Num {
		case fieldPath:
			m.Path = v.Str
		case fieldInterface:
			m.Interface = v.Str
		case fieldMember:
			m.Member = v.Str
		case fieldErrorName:
			m.ErrorName = v.Str
		case fieldReplySerial:
			m.Reply = uint32(v.Num)
		case fieldDestination:
			m.Destination = v.Str
		case fieldSender:
			m.Sender = v.Str
		case fieldSignature:
			sig = v.Str
		}
	}
	return sig
}

// Text is the string, or the path, at a place of the body; "" without.
func (m Message) Text(at int) string {
	if at >= len(m.Body) {
		return ""
	}
	v := m.Body[at]
	for v.Sig == "v" {
		v = v.List[0]
	}
	return v.Str
}
