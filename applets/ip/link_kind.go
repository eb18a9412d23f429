package ip

import (
	"golang.org/x/sys/unix"

	"ocibox/core/rtnl"
)

// A form is how an option of a kind of device is written and shown.
type form uint8

const (
	number8 form = iota
	number16
	number32
	number64
	onOff     // 1 byte, shown as such
	hexMask   // 2 bytes
	hexNumber // 2 bytes, with 0x also of 0
	hardwareForm
	protocolForm // an Ethernet protocol of VLANs
	timer        // hundredths of a second, 8 bytes
	bridgeID
	presence // without a value
	special  // has code of its own
)

// size is the number of bytes of a number.
func (f form) size() int {
	switch f {
	case number16, hexMask, hexNumber:
		return 2
	case number32:
		return 4
	case number64, timer:
		return 8
	}
	return 1
}

// An option is one attribute of a kind of device. Those without a word are
// only shown, as text, by key where that is another; those without text are
// only written.
type option struct {
	attr      uint16
	form      form
	word      string
	text, key string
}

// A kind of device and its options, in the order in which they are shown.
type kind struct {
	name    string
	options []option
}

// kinds are those with options. Others are made by their name alone.
var kinds = [...]kind{
	{"bridge", []option{
		{unix.IFLA_BR_FORWARD_DELAY, number32, "forward_delay", "forward_delay", ""},
		{unix.IFLA_BR_HELLO_TIME, number32, "hello_time", "hello_time", ""},
		{unix.IFLA_BR_MAX_AGE, number32, "max_age", "max_age", ""},
		{unix.IFLA_BR_AGEING_TIME, number32, "ageing_time", "ageing_time", ""},
		{unix.IFLA_BR_STP_STATE, number32, "stp_state", "stp_state", ""},
		{unix.IFLA_BR_PRIORITY, number16, "priority", "priority", ""},
		{unix.IFLA_BR_VLAN_FILTERING, number8, "vlan_filtering", "vlan_filtering", ""},
		{unix.IFLA_BR_VLAN_PROTOCOL, protocolForm, "vlan_protocol", "vlan_protocol", ""},
		{unix.IFLA_BR_BRIDGE_ID, bridgeID, "", "bridge_id", ""},
		{unix.IFLA_BR_ROOT_ID, bridgeID, "", "designated_root", "root_id"},
		{unix.IFLA_BR_ROOT_PORT, number16, "", "root_port", ""},
		{unix.IFLA_BR_ROOT_PATH_COST, number32, "", "root_path_cost", ""},
		{unix.IFLA_BR_TOPOLOGY_CHANGE, number8, "", "topology_change", ""},
		{unix.IFLA_BR_TOPOLOGY_CHANGE_DETECTED, number8, "", "topology_change_detected", ""},
		{unix.IFLA_BR_HELLO_TIMER, timer, "", "hello_timer", ""},
		{unix.IFLA_BR_TCN_TIMER, timer, "", "tcn_timer", ""},
		{unix.IFLA_BR_TOPOLOGY_CHANGE_TIMER, timer, "", "topology_change_timer", ""},
		{unix.IFLA_BR_GC_TIMER, timer, "", "gc_timer", ""},
		{unix.IFLA_BR_FDB_FLUSH, presence, "fdb_flush", "", ""},
		{unix.IFLA_BR_VLAN_DEFAULT_PVID, number16, "vlan_default_pvid", "vlan_default_pvid", ""},
		{unix.IFLA_BR_VLAN_STATS_ENABLED, number8, "vlan_stats_enabled", "vlan_stats_enabled", ""},
		{unix.IFLA_BR_VLAN_STATS_PER_PORT, number8, "vlan_stats_per_port", "vlan_stats_per_port", ""},
		{unix.IFLA_BR_GROUP_FWD_MASK, hexMask, "group_fwd_mask", "group_fwd_mask", ""},
		{unix.IFLA_BR_GROUP_ADDR, hardwareForm, "group_address", "group_address", "group_addr"},
		{unix.IFLA_BR_MCAST_SNOOPING, number8, "mcast_snooping", "mcast_snooping", ""},
		{unix.IFLA_BR_MULTI_BOOLOPT, special, "no_linklocal_learn", "no_linklocal_learn", ""},
		{unix.IFLA_BR_MULTI_BOOLOPT, special, "mcast_vlan_snooping", "mcast_vlan_snooping", ""},
		{unix.IFLA_BR_MCAST_ROUTER, number8, "mcast_router", "mcast_router", ""},
		{unix.IFLA_BR_MCAST_QUERY_USE_IFADDR, number8, "mcast_query_use_ifaddr", "mcast_query_use_ifaddr", ""},
		{unix.IFLA_BR_MCAST_QUERIER, number8, "mcast_querier", "mcast_querier", ""},
		{unix.IFLA_BR_MCAST_HASH_ELASTICITY, number32, "mcast_hash_elasticity", "mcast_hash_elasticity", ""},
		{unix.IFLA_BR_MCAST_HASH_MAX, number32, "mcast_hash_max", "mcast_hash_max", ""},
		{unix.IFLA_BR_MCAST_LAST_MEMBER_CNT, number32, "mcast_last_member_count", "mcast_last_member_count", "mcast_last_member_cnt"},
		{unix.IFLA_BR_MCAST_STARTUP_QUERY_CNT, number32, "mcast_startup_query_count", "mcast_startup_query_count", "mcast_startup_query_cnt"},
		{unix.IFLA_BR_MCAST_LAST_MEMBER_INTVL, number64, "mcast_last_member_interval", "mcast_last_member_interval", "mcast_last_member_intvl"},
		{unix.IFLA_BR_MCAST_MEMBERSHIP_INTVL, number64, "mcast_membership_interval", "mcast_membership_interval", "mcast_membership_intvl"},
		{unix.IFLA_BR_MCAST_QUERIER_INTVL, number64, "mcast_querier_interval", "mcast_querier_interval", "mcast_querier_intvl"},
		{unix.IFLA_BR_MCAST_QUERY_INTVL, number64, "mcast_query_interval", "mcast_query_interval", "mcast_query_intvl"},
		{unix.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, number64, "mcast_query_response_interval", "mcast_query_response_interval", "mcast_query_response_intvl"},
		{unix.IFLA_BR_MCAST_STARTUP_QUERY_INTVL, number64, "mcast_startup_query_interval", "mcast_startup_query_interval", "mcast_startup_query_intvl"},
		{unix.IFLA_BR_MCAST_STATS_ENABLED, number8, "mcast_stats_enabled", "mcast_stats_enabled", ""},
		{unix.IFLA_BR_MCAST_IGMP_VERSION, number8, "mcast_igmp_version", "mcast_igmp_version", ""},
		{unix.IFLA_BR_MCAST_MLD_VERSION, number8, "mcast_mld_version", "mcast_mld_version", ""},
		{unix.IFLA_BR_NF_CALL_IPTABLES, number8, "nf_call_iptables", "nf_call_iptables", ""},
		{unix.IFLA_BR_NF_CALL_IP6TABLES, number8, "nf_call_ip6tables", "nf_call_ip6tables", ""},
		{unix.IFLA_BR_NF_CALL_ARPTABLES, number8, "nf_call_arptables", "nf_call_arptables", ""},
	}},
	{"bridge_slave", []option{
		{unix.IFLA_BRPORT_FLUSH, presence, "fdb_flush", "", ""},
		{unix.IFLA_BRPORT_STATE, special, "state", "state", ""},
		{unix.IFLA_BRPORT_PRIORITY, number16, "priority", "priority", ""},
		{unix.IFLA_BRPORT_COST, number32, "cost", "cost", ""},
		{unix.IFLA_BRPORT_MODE, onOff, "hairpin", "hairpin", ""},
		{unix.IFLA_BRPORT_GUARD, onOff, "guard", "guard", ""},
		{unix.IFLA_BRPORT_PROTECT, onOff, "root_block", "root_block", ""},
		{unix.IFLA_BRPORT_FAST_LEAVE, onOff, "fastleave", "fastleave", ""},
		{unix.IFLA_BRPORT_LEARNING, onOff, "learning", "learning", ""},
		{unix.IFLA_BRPORT_UNICAST_FLOOD, onOff, "flood", "flood", ""},
		{unix.IFLA_BRPORT_ID, hexNumber, "", "port_id", "id"},
		{unix.IFLA_BRPORT_NO, hexNumber, "", "port_no", "no"},
		{unix.IFLA_BRPORT_DESIGNATED_PORT, number16, "", "designated_port", ""},
		{unix.IFLA_BRPORT_DESIGNATED_COST, number16, "", "designated_cost", ""},
		{unix.IFLA_BRPORT_BRIDGE_ID, bridgeID, "", "designated_bridge", "bridge_id"},
		{unix.IFLA_BRPORT_ROOT_ID, bridgeID, "", "designated_root", "root_id"},
		{unix.IFLA_BRPORT_HOLD_TIMER, timer, "", "hold_timer", ""},
		{unix.IFLA_BRPORT_MESSAGE_AGE_TIMER, timer, "", "message_age_timer", ""},
		{unix.IFLA_BRPORT_FORWARD_DELAY_TIMER, timer, "", "forward_delay_timer", ""},
		{unix.IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, number8, "", "topology_change_ack", ""},
		{unix.IFLA_BRPORT_CONFIG_PENDING, number8, "", "config_pending", ""},
		{unix.IFLA_BRPORT_PROXYARP, onOff, "proxy_arp", "proxy_arp", ""},
		{unix.IFLA_BRPORT_PROXYARP_WIFI, onOff, "proxy_arp_wifi", "proxy_arp_wifi", ""},
		{unix.IFLA_BRPORT_MULTICAST_ROUTER, number8, "mcast_router", "mcast_router", "multicast_router"},
		{unix.IFLA_BRPORT_FAST_LEAVE, special, "mcast_fast_leave", "mcast_fast_leave", ""},
		{unix.IFLA_BRPORT_MCAST_FLOOD, onOff, "mcast_flood", "mcast_flood", ""},
		{unix.IFLA_BRPORT_BCAST_FLOOD, onOff, "bcast_flood", "bcast_flood", ""},
		{unix.IFLA_BRPORT_MCAST_TO_UCAST, onOff, "mcast_to_unicast", "mcast_to_unicast", ""},
		{unix.IFLA_BRPORT_NEIGH_SUPPRESS, onOff, "neigh_suppress", "neigh_suppress", ""},
		{unix.IFLA_BRPORT_GROUP_FWD_MASK, hexMask, "group_fwd_mask", "group_fwd_mask", ""},
		{unix.IFLA_BRPORT_GROUP_FWD_MASK, special, "", "group_fwd_mask_str", ""},
		{unix.IFLA_BRPORT_VLAN_TUNNEL, onOff, "vlan_tunnel", "vlan_tunnel", ""},
		{unix.IFLA_BRPORT_ISOLATED, onOff, "isolated", "isolated", ""},
		{unix.IFLA_BRPORT_LOCKED, onOff, "locked", "locked", ""},
	}},
	{"vlan", []option{
		{unix.IFLA_VLAN_PROTOCOL, protocolForm, "protocol", "protocol", ""},
		{unix.IFLA_VLAN_ID, number16, "id", "id", ""},
		{unix.IFLA_VLAN_FLAGS, special, "reorder_hdr", "flags", ""},
		{unix.IFLA_VLAN_FLAGS, special, "gvrp", "", ""},
		{unix.IFLA_VLAN_FLAGS, special, "mvrp", "", ""},
		{unix.IFLA_VLAN_FLAGS, special, "loose_binding", "", ""},
		{unix.IFLA_VLAN_FLAGS, special, "bridge_binding", "", ""},
		{unix.IFLA_VLAN_INGRESS_QOS, special, "ingress-qos-map", "ingress-qos-map", "ingress_qos"},
		{unix.IFLA_VLAN_EGRESS_QOS, special, "egress-qos-map", "egress-qos-map", "egress_qos"},
	}},
	{"macvlan", macvlanOptions},
	{"macvtap", macvlanOptions},
	{"ipvlan", ipvlanOptions},
	{"ipvtap", ipvlanOptions},
	{"veth", []option{{rtnl.VETH_INFO_PEER, special, "=peer", "", ""}}},
	{"vrf", []option{{unix.IFLA_VRF_TABLE, number32, "table", "table", ""}}},
	{"vrf_slave", []option{{unix.IFLA_VRF_PORT_TABLE, number32, "", "table", ""}}},
}

var macvlanOptions = []option{
	{unix.IFLA_MACVLAN_MODE, special, "mode", "mode", ""},
	{unix.IFLA_MACVLAN_FLAGS, special, "nopromisc", "nopromisc", ""},
	{unix.IFLA_MACVLAN_FLAGS, special, "nodst", "nodst", ""},
	{unix.IFLA_MACVLAN_BC_QUEUE_LEN, number32, "bcqueuelen", "bcqueuelen", ""},
	{unix.IFLA_MACVLAN_BC_QUEUE_LEN_USED, number32, "", "usedbcqueuelen", ""},
	{unix.IFLA_MACVLAN_MACADDR_DATA, special, "macaddr", "", "macaddr_data"},
}

var ipvlanOptions = []option{
	{unix.IFLA_IPVLAN_MODE, special, "mode", "mode", ""},
	{unix.IFLA_IPVLAN_FLAGS, special, "private", "private", ""},
	{unix.IFLA_IPVLAN_FLAGS, special, "vepa", "vepa", ""},
	{unix.IFLA_IPVLAN_FLAGS, special, "bridge", "bridge", ""},
}
