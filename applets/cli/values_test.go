package cli

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, s := range []string{
		"", "0", "-0", "+0", "5", "5s", "-5s", "+5s", "500ms", "1.5s", ".5s", "1.s", ".s", "1m30s", "1h1m1s1ms1us1ns", "1µs", "1μs", "1 s", "s", "1x", "1s1", "1sm", "1s-1s", "--1s", "1e3s", "0x1s",
		"1.2.3s", "10000000h", "2562047h", "2562048h", "9223372036s", "100000000000s", "1m0.25s", "ms", "1mms", "1_0s", "1S", "0.000000001s", "3.3s",
		"33.986m", "9040.7h", "9007199254740993ns", "9223372036854775807ns", "9223372036854775808ns", "-9223372036854775808ns", "-9223372036854775809ns", "2562047h47m16.854775807s", "0.00000000000000000000000001h", "0.9223372036854775807999h",
	} {
		got, ok := parseDuration(s)
		want, err := time.ParseDuration(s)
		if ok != (err == nil) || ok && got != want {
			t.Errorf("%q: %v, %v; want %v, %v", s, got, ok, want, err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		s := ""
		for range r.IntN(3) + 1 {
			s += strings.TrimLeft(strconv.FormatFloat(r.ExpFloat64()*math.Pow10(r.IntN(12)-2), 'f', r.IntN(12)-1, 64), "0") + []string{"ns", "us", "ms", "s", "m", "h", ""}[r.IntN(7)]
		}
		got, ok := parseDuration(s)
		if want, err := time.ParseDuration(s); ok != (err == nil) || ok && got != want {
			t.Fatalf("%q: %d, %v; want %d, %v", s, got, ok, want, err)
		}
	}
}
