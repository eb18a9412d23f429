package cgroup

import (
	"reflect"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// without is a container without a cgroup, for the reason why: an error if its
// config.json has something for one to do.
func without(r Request, why *fault.Error) (*Group, []string, error) {
	var warnings []string
	if res := r.Resources; res != nil {
		limits := *res
		limits.Devices = nil
		if field := asked(reflect.ValueOf(limits), "linux.resources"); field != "" {
			return nil, nil, fault.In(field, why)
		}
		if len(res.Devices) > 0 && !denyAll(res.Devices) {
			// The kernel lets nobody else make device nodes.
			if r.Privileged && r.Manager != Disabled {
				return nil, nil, fault.In("linux.resources.devices", why)
			}
			warnings = append(warnings, "linux.resources.devices: have no effect: "+why.Error())
		}
	}
	if r.Path != "" {
		if r.Manager != Disabled {
			return nil, nil, fault.In(pathField, why)
		}
		warnings = append(warnings, pathField+": has no effect: the cgroup manager is disabled")
	}
	return nil, warnings, nil
}

// denyAll says whether the rules are the one that `runtime spec` writes.
func denyAll(rules []specs.LinuxDeviceCgroup) bool {
	return len(rules) == 1 && !rules[0].Allow && (rules[0].Type == "" || rules[0].Type == "a") && rules[0].Major == nil && rules[0].Minor == nil
}

// asked is the first field of v that asks for something, or "". Numbers from 0
// down are none: they are a limit that is not set, or unlimited.
func asked(v reflect.Value, field string) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		if strings.HasSuffix(field, ".swappiness") {
			return field // 0 is one too
		}
		return asked(v.Elem(), field)
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			at := field
			if name != "" {
				at += "." + name // an embedded one has none
			}
			if f := asked(v.Field(i), at); f != "" {
				return f
			}
		}
		return ""
	case reflect.Slice:
		if v.Len() > 0 {
			return field + "[0]"
		}
		return ""
	case reflect.Map:
		first := ""
		for _, key := range v.MapKeys() {
			if first == "" || key.String() < first {
				first = key.String()
			}
		}
		if first == "" {
			return ""
		}
		return field + "." + first
	case reflect.Int64, reflect.Int:
		if v.Int() <= 0 {
			return ""
		}
	}
	if v.IsZero() {
		return ""
	}
	return field
}
