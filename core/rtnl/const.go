package rtnl

// What x/sys has no name for.

// linux/netlink.h
const NLA_TYPE_MASK = 0x3fff

// linux/rtnetlink.h
const (
	RTA_NH_ID = 0x1e

	// Bits of IFLA_EXT_MASK: what an answer is to have, and to leave out.
	RTEXT_FILTER_VF         = 1 << 0
	RTEXT_FILTER_SKIP_STATS = 1 << 3
)

// linux/veth.h
const VETH_INFO_PEER = 1

// linux/if_addr.h
const IFA_PROTO = 0xb // who has set the address (Linux 5.18)

// linux/neighbour.h
const (
	NDA_PROTOCOL  = 0xc
	NDA_FLAGS_EXT = 0xf // more flags (Linux 5.16), which are

	NTF_EXT_MANAGED = 1 << 0
	NTF_EXT_LOCKED  = 1 << 1
)
