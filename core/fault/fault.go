// Package fault is the one error of the core: what was attempted, on which
// object, what the kernel said, which config.json field asked for it, and,
// where it was found out, what to do about it.
package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Error is an error that a user can act on.
type Error struct {
	Field string // config.json field, such as "mounts[2]", or ""
	Text  string // operation and object, or a sentence that says what is wrong
	Err   error  // cause, usually an errno; may be nil
	Hint  string // what to do, one line; set only where the cause was found out
}

// Error gives "field: text: cause" on one line; the hint is not part of it.
func (e *Error) Error() string {
	var parts []string
	if e.Field != "" {
		parts = append(parts, e.Field)
	}
	if e.Text != "" {
		parts = append(parts, e.Text)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.ReplaceAll(strings.Join(parts, ": "), "\n", " ")
}

func (e *Error) Unwrap() error { return e.Err }

// WithHint sets the hint and returns e.
//
//go:noinline
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// At is the field of the element i of an array. There are so many that fmt is felt.
func At(array string, i int) string { return array + "[" + strconv.Itoa(i) + "]" }

// Field is an error in the value of a config.json field.
//
//go:noinline
func Field(field, format string, args ...any) *Error {
	return &Error{Field: field, Text: fmt.Sprintf(format, args...)}
}

// Op is an operation that failed with err.
//
//go:noinline
func Op(err error, format string, args ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, args...), Err: err}
}

// In says which config.json field asked for the operation behind err. A field
// that err names already stays.
func In(field string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e.Field != "" {
		return err
	}
	if errors.As(err, &e) && error(e) == err {
		c := *e
		c.Field = field
		return &c
	}
	return &Error{Field: field, Err: err, Hint: Hint(err)}
}

// Hint is the hint of the first error in err's chain that has one, or "".
func Hint(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
