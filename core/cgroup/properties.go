package cgroup

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ocibox/core/dbus"
	"ocibox/core/fault"
	"ocibox/core/files"
)

const annotationPrefix = "org.systemd.property."

// annotations are the properties that the annotations name, with their values in
// GVariant's text form.
func annotations(all map[string]string) (list []Property, err error) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		name, ok := strings.CutPrefix(key, annotationPrefix)
		if !ok {
			continue
		}
		field := "annotations." + key
		other := func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') }
		if len(name) < 3 || strings.ContainsFunc(name, other) {
			return nil, fault.Field(field, "%q is not the name of a property", name)
		}
		v, err := dbus.ParseText(all[key])
		if err != nil {
			return nil, fault.In(field, err)
		}
		// Units' files have seconds where properties have microseconds.
		if stem, ok := strings.CutSuffix(name, "Sec"); ok && stem[len(stem)-1] >= 'a' {
			name = stem + "USec"
			if v, err = microseconds(v); err != nil {
				return nil, fault.In(field, err)
			}
		}
		list = append(list, Property{field, name, v})
	}
	return list, nil
}

// microseconds are those of a number of seconds.
func microseconds(v dbus.Value) (dbus.Value, error) {
	const second = 1_000_000
	seconds := float64(v.Num)
	switch v.Sig {
	case "d":
		seconds = math.Float64frombits(v.Num)
	case "n", "i", "x":
		seconds = float64(int64(v.Num))
	case "y", "q", "u", "t":
	default:
		return v, fault.Op(nil, "%s is not a number of seconds", v)
	}
	if !(seconds >= 0 && seconds < math.MaxUint64/second) {
		return v, fault.Op(nil, "%s is not a number of seconds", v)
	}
	if v.Sig == "d" {
		return dbus.Uint64(uint64(seconds * second)), nil
	}
	return dbus.Uint64(v.Num * second), nil
}

// limitProperties are the properties that a file's value is one of, as a number.
var limitProperties = [...]struct{ file, name string }{
	{"memory.max", "MemoryMax"}, {"memory.high", "MemoryHigh"}, {"memory.low", "MemoryLow"}, {"memory.min", "MemoryMin"},
	{"memory.swap.max", "MemorySwapMax"}, {"pids.max", "TasksMax"}, {"cpu.weight", "CPUWeight"},
	{"memory.limit_in_bytes", "MemoryLimit"}, {"cpu.shares", "CPUShares"}, {"blkio.bfq.weight", "BlockIOWeight"},
}

// infinity is a number without bound, to systemd.
const infinity = math.MaxUint64

// Properties are the limits as far as systemd knows such, and has to: it sets
// back some day what it was not told of. The others, and the exact values, go
// to the files alone.
func (g *Group) Properties(list []Limit) (props []Property) {
	add := func(l Limit, name string, v dbus.Value) { props = append(props, Property{l.Field, name, v}) }
	var quota, period *Limit // of version 1
	idle := false
	for _, l := range list {
		_, version := g.Dir(l.Controller)
		switch l.File {
		case "cpu.idle":
			idle = l.Value == "1"
		case "cpu.max":
			words := strings.Fields(l.Value)
			if len(words) == 0 || len(words) > 2 {
				continue // which the kernel refuses
			}
			per := ""
			if len(words) == 2 {
				per = words[1]
			}
			props = append(props, cpuQuota(l.Field, words[0], per)...)
		case "cpu.cfs_quota_us":
			quota = &l
		case "cpu.cfs_period_us":
			period = &l
		case "cpuset.cpus", "cpuset.mems":
			// Which systemd knows from 244 on, in version 2.
			if bits := setBits(l.Value); version == 2 && bits != nil && g.version >= 244 {
				add(l, map[bool]string{true: "AllowedCPUs", false: "AllowedMemoryNodes"}[l.File == "cpuset.cpus"], dbus.Bytes(bits))
			}
		}
		for _, p := range limitProperties {
			if p.file != l.File {
				continue
			}
			if n, ok := unitNumber(l.Value); ok {
				add(l, p.name, dbus.Uint64(n))
			}
		}
	}
	if quota != nil || period != nil {
		// One of them that does not change is in its file.
		q, p := Limit{Controller: "cpu", File: "cpu.cfs_quota_us"}, Limit{Controller: "cpu", File: "cpu.cfs_period_us"}
		for _, at := range [...]struct{ from, to *Limit }{{quota, &q}, {period, &p}} {
			if at.from != nil {
				*at.to = *at.from
				continue
			}
			dir, _ := g.Dir("cpu")
			data, err := files.Read(filepath.Join(dir, at.to.File))
			if err == nil {
				at.to.Value = strings.TrimSpace(string(data))
			}
		}
		field := p.Field
		if quota != nil {
			field = q.Field
		}
		props = append(props, cpuQuota(field, q.Value, p.Value)...)
	}
	weighs := func(p Property) bool { return p.Name == "CPUWeight" }
	const knowsIdle = 252 // the version from which on
	if idle && g.version >= knowsIdle && !slices.ContainsFunc(props, weighs) {
		props = append(props, Property{resources + ".cpu.idle", "CPUWeight", dbus.Uint64(0)})
	}
	return props
}

// unitNumber is a file's number as a property has it.
func unitNumber(value string) (n uint64, ok bool) {
	value = strings.TrimSpace(value)
	if value == "max" || value == "-1" {
		return infinity, true
	}
	n, err := strconv.ParseUint(value, 10, 64)
	return n, err == nil
}

// cpuQuota is that of a quota, "" or less than 0 for none, in a period, "" for
// the kernel's; both in microseconds. systemd keeps whole percents of a
// processor: less than was asked for it must not be.
func cpuQuota(field, quota, period string) (props []Property) {
	const percent, second, usual = 10_000, 1_000_000, 100_000
	per, err := strconv.ParseUint(period, 10, 32)
	if err != nil || per == 0 {
		per = usual
	} else {
		props = append(props, Property{field, "CPUQuotaPeriodUSec", dbus.Uint64(per)})
	}
	n := uint64(infinity)
	if q, err := strconv.ParseUint(quota, 10, 64); err == nil && q > 0 && q < infinity/second {
		n = (q*second/per + percent - 1) / percent * percent
	}
	return append(props, Property{field, "CPUQuotaPerSecUSec", dbus.Uint64(n)})
}

// setBits are the members of a list of processors or nodes, as bits; nil if it
// is none.
func setBits(list string) (bits []byte) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, some := strings.Cut(strings.TrimSpace(part), "-")
		if !some {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		to, lastErr := strconv.ParseUint(last, 10, 16)
		if err != nil || lastErr != nil || from > to {
			return nil
		}
		for n := from; n <= to; n++ {
			for uint64(len(bits)) <= n/8 {
				bits = append(bits, 0)
			}
			bits[n/8] |= 1 << (n % 8)
		}
	}
	return bits
}

// DeviceProperties are the rules as systemd has them: devices that may be used,
// and no others. Rules that it has no words for it is not told of, and lets all
// be used, as far as it goes.
func (g *Group) DeviceProperties(rules []DeviceRule) []Property {
	const field = resources + ".devices"
	policy, allowed := "strict", dbus.Array("(ss)")
	lines, err := legacyRules(rules)
	if err != nil || lines[0].File != "devices.deny" {
		policy, lines = "auto", nil
	}
	for _, l := range lines[min(1, len(lines)):] {
		name, ok := deviceName(l.Value)
		if !ok {
			policy, allowed = "auto", dbus.Array("(ss)")
			break
		}
		_, access, _ := strings.Cut(l.Value[2:], " ")
		allowed.List = append(allowed.List, dbus.Struct(dbus.String(name), dbus.String(access)))
	}
	props := []Property{{field, "DevicePolicy", dbus.String(policy)}, {field, "DeviceAllow", dbus.Array("(ss)")}}
	if len(allowed.List) > 0 {
		// The empty one clears the list, to which this is added.
		props = append(props, Property{field, "DeviceAllow", allowed})
	}
	return props
}

// deviceName is what systemd calls the devices of a line of version 1's,
// systemd.resource-control(5).
func deviceName(line string) (string, bool) {
	kind := map[byte]string{'c': "char", 'b': "block"}[line[0]]
	number, _, _ := strings.Cut(line[2:], " ")
	major, minor, _ := strings.Cut(number, ":")
	switch {
	case major == "*":
		return kind + "-*", minor == "*"
	case minor == "*":
		return kind + "-" + major, true
	}
	return "/dev/" + kind + "/" + number, true
}
