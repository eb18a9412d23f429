package ip

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ocibox/core/fault"
)

// printer writes what a command shows, as text or as JSON, from one
// description: each field has a key, for JSON, and a format, for text. Text has
// no field whose format is "", JSON none whose key is "".
type printer struct {
	json, pretty, oneline bool
	buf                   bytes.Buffer
	depth                 int
	begun                 bool // something stands in the object or array that is open
	listed                bool
}

// list opens what holds all that is shown.
func (p *printer) list() {
	p.listed = true
	if p.json {
		p.array("")
	}
}

// flush writes everything.
func (p *printer) flush(to io.Writer) error {
	if p.listed && p.json {
		p.end(']')
		p.buf.WriteByte('\n')
	}
	if _, err := to.Write(p.buf.Bytes()); err != nil {
		return fault.Op(err, "print")
	}
	p.buf.Reset()
	return nil
}

// newline stands between the lines of one object.
func (p *printer) newline() {
	if p.oneline {
		p.text(`\`)
	} else {
		p.text("\n")
	}
}

// text is not in JSON.
func (p *printer) text(format string, args ...any) {
	if !p.json {
		fmt.Fprintf(&p.buf, format, args...)
	}
}

func (p *printer) indent() {
	if p.pretty {
		p.buf.WriteByte('\n')
		p.buf.WriteString(strings.Repeat("    ", p.depth))
	}
}

// key begins a field of JSON, or with "" an element.
func (p *printer) key(key string) {
	if p.begun {
		p.buf.WriteByte(',')
	}
	p.begun = true
	if key == "" {
		return
	}
	p.indent()
	p.quote(key)
	p.buf.WriteByte(':')
	if p.pretty {
		p.buf.WriteByte(' ')
	}
}

func (p *printer) quote(s string) {
	p.buf.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			p.buf.WriteByte('\\')
			p.buf.WriteRune(r)
		case r == '\n':
			p.buf.WriteString(`\n`)
		case r == '\t':
			p.buf.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&p.buf, `\u%04x`, r)
		default:
			p.buf.WriteRune(r)
		}
	}
	p.buf.WriteByte('"')
}

func (p *printer) begin(bracket byte, key string) {
	if !p.json {
		return
	}
	p.key(key)
	p.buf.WriteByte(bracket)
	if bracket == '[' && p.pretty {
		p.buf.WriteByte(' ')
	}
	p.depth++
	p.begun = false
}

func (p *printer) end(bracket byte) {
	if !p.json {
		return
	}
	p.depth--
	if bracket == '}' && p.begun {
		p.indent()
	} else if bracket == ']' && p.pretty && p.begun {
		p.buf.WriteByte(' ')
	}
	p.buf.WriteByte(bracket)
	p.begun = true
}

func (p *printer) open(key string)  { p.begin('{', key) }
func (p *printer) close()           { p.end('}') }
func (p *printer) array(key string) { p.begin('[', key) }
func (p *printer) endArray()        { p.end(']') }

// str is a field that is a string; in an array it has no key.
func (p *printer) str(key, format, value string) {
	if p.json {
		p.key(key)
		p.quote(value)
		return
	}
	fmt.Fprintf(&p.buf, format, value)
}

// num is a field that is a number.
func (p *printer) num(key, format string, value int64) {
	if p.json {
		p.key(key)
		fmt.Fprint(&p.buf, value)
		return
	}
	fmt.Fprintf(&p.buf, format, value)
}

// null is a field that is there or is not.
func (p *printer) null(key, text string) {
	if p.json {
		p.key(key)
		p.buf.WriteString("null")
		return
	}
	p.buf.WriteString(text)
}

// truth is a field that is true or false, and as text is text.
func (p *printer) truth(key, text string, value bool) {
	if p.json {
		p.key(key)
		fmt.Fprint(&p.buf, value)
		return
	}
	p.buf.WriteString(text)
}

// decimal is a field that is a number with a fraction.
func (p *printer) decimal(key, format, value string) {
	if p.json {
		p.key(key)
		p.buf.WriteString(value)
		return
	}
	fmt.Fprintf(&p.buf, format, value)
}
