package seccomp_test

import (
	"encoding/json"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/seccomp"
)

func Example() {
	var s specs.LinuxSeccomp
	profile := `{
		"defaultAction": "SCMP_ACT_ALLOW",
		"flags": ["SECCOMP_FILTER_FLAG_LOG"],
		"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
			"args": [{"index": 0, "value": 38, "op": "SCMP_CMP_EQ"}]}]
	}`
	if err := json.Unmarshal([]byte(profile), &s); err != nil {
		fmt.Println(err)
		return
	}
	f, err := seccomp.Compile(&s)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Default, f.Flags, f.Notify)
	d, err := seccomp.Decide(&s, "", "socket", [6]uint64{38})
	fmt.Println(d.Action, d.Field, err)
	// Output:
	// SCMP_ACT_ALLOW 2 false
	// SCMP_ACT_ERRNO(EAFNOSUPPORT) linux.seccomp.syscalls[0] <nil>
}
