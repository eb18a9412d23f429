package cli

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, s := range []string{
		"", "0", "-0", "+0", "5", "5s", "-5s", "+5s", "500ms", "1.5s", ".5s", "1.s", ".s", "1m30s", "1h1m1s1ms1us1ns", "1µs", "1μs", "1 s", "s", "1x", "1s1", "1sm", "1s-1s", "--1s", "1e3s", "0x1s",
		"1.2.3s", "10000000h", "2562047h", "2562048h", "9223372036s", "100000000000s", "1m0.25s", "ms", "1mms", "1_0s", "1S", "0.000000001s", "3.3s",
	} {
		got, ok := parseDuration(s)
		want, err := time.ParseDuration(s)
		if ok != (err == nil) || got != want {
			t.Errorf("%q: %v, %v; want %v, %v", s, got, ok, want, err)
		}
	}
}
