package ip

import "github.com/vishvananda/netlink/nl"

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

// Attributes that nl has no name for, linux/if_link.h.
const (
	iflaBrVlanStatsPerPort = 0x2d
	iflaBrMultiBoolopt     = 0x2e
	iflaVRFTable           = 1
)

// kinds are those with options. Others are made by their name alone.
var kinds = [...]kind{
	{"bridge", []option{
		{nl.IFLA_BR_FORWARD_DELAY, number32, "forward_delay", "forward_delay", ""},
		{nl.IFLA_BR_HELLO_TIME, number32, "hello_time", "hello_time", ""},
		{nl.IFLA_BR_MAX_AGE, number32, "max_age", "max_age", ""},
		{nl.IFLA_BR_AGEING_TIME, number32, "ageing_time", "ageing_time", ""},
		{nl.IFLA_BR_STP_STATE, number32, "stp_state", "stp_state", ""},
		{nl.IFLA_BR_PRIORITY, number16, "priority", "priority", ""},
		{nl.IFLA_BR_VLAN_FILTERING, number8, "vlan_filtering", "vlan_filtering", ""},
		{nl.IFLA_BR_VLAN_PROTOCOL, protocolForm, "vlan_protocol", "vlan_protocol", ""},
		{nl.IFLA_BR_BRIDGE_ID, bridgeID, "", "bridge_id", ""},
		{nl.IFLA_BR_ROOT_ID, bridgeID, "", "designated_root", "root_id"},
		{nl.IFLA_BR_ROOT_PORT, number16, "", "root_port", ""},
		{nl.IFLA_BR_ROOT_PATH_COST, number32, "", "root_path_cost", ""},
		{nl.IFLA_BR_TOPOLOGY_CHANGE, number8, "", "topology_change", ""},
		{nl.IFLA_BR_TOPOLOGY_CHANGE_DETECTED, number8, "", "topology_change_detected", ""},
		{nl.IFLA_BR_HELLO_TIMER, timer, "", "hello_timer", ""},
		{nl.IFLA_BR_TCN_TIMER, timer, "", "tcn_timer", ""},
		{nl.IFLA_BR_TOPOLOGY_CHANGE_TIMER, timer, "", "topology_change_timer", ""},
		{nl.IFLA_BR_GC_TIMER, timer, "", "gc_timer", ""},
		{nl.IFLA_BR_FDB_FLUSH, presence, "fdb_flush", "", ""},
		{nl.IFLA_BR_VLAN_DEFAULT_PVID, number16, "vlan_default_pvid", "vlan_default_pvid", ""},
		{nl.IFLA_BR_VLAN_STATS_ENABLED, number8, "vlan_stats_enabled", "vlan_stats_enabled", ""},
		{iflaBrVlanStatsPerPort, number8, "vlan_stats_per_port", "vlan_stats_per_port", ""},
		{nl.IFLA_BR_GROUP_FWD_MASK, hexMask, "group_fwd_mask", "group_fwd_mask", ""},
		{nl.IFLA_BR_GROUP_ADDR, hardwareForm, "group_address", "group_address", "group_addr"},
		{nl.IFLA_BR_MCAST_SNOOPING, number8, "mcast_snooping", "mcast_snooping", ""},
		{iflaBrMultiBoolopt, special, "no_linklocal_learn", "no_linklocal_learn", ""},
		{iflaBrMultiBoolopt, special, "mcast_vlan_snooping", "mcast_vlan_snooping", ""},
		{nl.IFLA_BR_MCAST_ROUTER, number8, "mcast_router", "mcast_router", ""},
		{nl.IFLA_BR_MCAST_QUERY_USE_IFADDR, number8, "mcast_query_use_ifaddr", "mcast_query_use_ifaddr", ""},
		{nl.IFLA_BR_MCAST_QUERIER, number8, "mcast_querier", "mcast_querier", ""},
		{nl.IFLA_BR_MCAST_HASH_ELASTICITY, number32, "mcast_hash_elasticity", "mcast_hash_elasticity", ""},
		{nl.IFLA_BR_MCAST_HASH_MAX, number32, "mcast_hash_max", "mcast_hash_max", ""},
		{nl.IFLA_BR_MCAST_LAST_MEMBER_CNT, number32, "mcast_last_member_count", "mcast_last_member_count", "mcast_last_member_cnt"},
		{nl.IFLA_BR_MCAST_STARTUP_QUERY_CNT, number32, "mcast_startup_query_count", "mcast_startup_query_count", "mcast_startup_query_cnt"},
		{nl.IFLA_BR_MCAST_LAST_MEMBER_INTVL, number64, "mcast_last_member_interval", "mcast_last_member_interval", "mcast_last_member_intvl"},
		{nl.IFLA_BR_MCAST_MEMBERSHIP_INTVL, number64, "mcast_membership_interval", "mcast_membership_interval", "mcast_membership_intvl"},
		{nl.IFLA_BR_MCAST_QUERIER_INTVL, number64, "mcast_querier_interval", "mcast_querier_interval", "mcast_querier_intvl"},
		{nl.IFLA_BR_MCAST_QUERY_INTVL, number64, "mcast_query_interval", "mcast_query_interval", "mcast_query_intvl"},
		{nl.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, number64, "mcast_query_response_interval", "mcast_query_response_interval", "mcast_query_response_intvl"},
		{nl.IFLA_BR_MCAST_STARTUP_QUERY_INTVL, number64, "mcast_startup_query_interval", "mcast_startup_query_interval", "mcast_startup_query_intvl"},
		{nl.IFLA_BR_MCAST_STATS_ENABLED, number8, "mcast_stats_enabled", "mcast_stats_enabled", ""},
		{nl.IFLA_BR_MCAST_IGMP_VERSION, number8, "mcast_igmp_version", "mcast_igmp_version", ""},
		{nl.IFLA_BR_MCAST_MLD_VERSION, number8, "mcast_mld_version", "mcast_mld_version", ""},
		{nl.IFLA_BR_NF_CALL_IPTABLES, number8, "nf_call_iptables", "nf_call_iptables", ""},
		{nl.IFLA_BR_NF_CALL_IP6TABLES, number8, "nf_call_ip6tables", "nf_call_ip6tables", ""},
		{nl.IFLA_BR_NF_CALL_ARPTABLES, number8, "nf_call_arptables", "nf_call_arptables", ""},
	}},
	{"bridge_slave", []option{
		{nl.IFLA_BRPORT_FLUSH, presence, "fdb_flush", "", ""},
		{nl.IFLA_BRPORT_STATE, special, "state", "state", ""},
		{nl.IFLA_BRPORT_PRIORITY, number16, "priority", "priority", ""},
		{nl.IFLA_BRPORT_COST, number32, "cost", "cost", ""},
		{nl.IFLA_BRPORT_MODE, onOff, "hairpin", "hairpin", ""},
		{nl.IFLA_BRPORT_GUARD, onOff, "guard", "guard", ""},
		{nl.IFLA_BRPORT_PROTECT, onOff, "root_block", "root_block", ""},
		{nl.IFLA_BRPORT_FAST_LEAVE, onOff, "fastleave", "fastleave", ""},
		{nl.IFLA_BRPORT_LEARNING, onOff, "learning", "learning", ""},
		{nl.IFLA_BRPORT_UNICAST_FLOOD, onOff, "flood", "flood", ""},
		{nl.IFLA_BRPORT_ID, hexNumber, "", "port_id", "id"},
		{nl.IFLA_BRPORT_NO, hexNumber, "", "port_no", "no"},
		{nl.IFLA_BRPORT_DESIGNATED_PORT, number16, "", "designated_port", ""},
		{nl.IFLA_BRPORT_DESIGNATED_COST, number16, "", "designated_cost", ""},
		{nl.IFLA_BRPORT_BRIDGE_ID, bridgeID, "", "designated_bridge", "bridge_id"},
		{nl.IFLA_BRPORT_ROOT_ID, bridgeID, "", "designated_root", "root_id"},
		{nl.IFLA_BRPORT_HOLD_TIMER, timer, "", "hold_timer", ""},
		{nl.IFLA_BRPORT_MESSAGE_AGE_TIMER, timer, "", "message_age_timer", ""},
		{nl.IFLA_BRPORT_FORWARD_DELAY_TIMER, timer, "", "forward_delay_timer", ""},
		{nl.IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, number8, "", "topology_change_ack", ""},
		{nl.IFLA_BRPORT_CONFIG_PENDING, number8, "", "config_pending", ""},
		{nl.IFLA_BRPORT_PROXYARP, onOff, "proxy_arp", "proxy_arp", ""},
		{nl.IFLA_BRPORT_PROXYARP_WIFI, onOff, "proxy_arp_wifi", "proxy_arp_wifi", ""},
		{nl.IFLA_BRPORT_MULTICAST_ROUTER, number8, "mcast_router", "mcast_router", "multicast_router"},
		{nl.IFLA_BRPORT_FAST_LEAVE, special, "mcast_fast_leave", "mcast_fast_leave", ""},
		{nl.IFLA_BRPORT_MCAST_FLOOD, onOff, "mcast_flood", "mcast_flood", ""},
		{nl.IFLA_BRPORT_BCAST_FLOOD, onOff, "bcast_flood", "bcast_flood", ""},
		{nl.IFLA_BRPORT_MCAST_TO_UCAST, onOff, "mcast_to_unicast", "mcast_to_unicast", ""},
		{nl.IFLA_BRPORT_NEIGH_SUPPRESS, onOff, "neigh_suppress", "neigh_suppress", ""},
		{nl.IFLA_BRPORT_GROUP_FWD_MASK, hexMask, "group_fwd_mask", "group_fwd_mask", ""},
		{nl.IFLA_BRPORT_GROUP_FWD_MASK, special, "", "group_fwd_mask_str", ""},
		{nl.IFLA_BRPORT_VLAN_TUNNEL, onOff, "vlan_tunnel", "vlan_tunnel", ""},
		{nl.IFLA_BRPORT_ISOLATED, onOff, "isolated", "isolated", ""},
		{nl.IFLA_BRPORT_LOCKED, onOff, "locked", "locked", ""},
	}},
	{"vlan", []option{
		{nl.IFLA_VLAN_PROTOCOL, protocolForm, "protocol", "protocol", ""},
		{nl.IFLA_VLAN_ID, number16, "id", "id", ""},
		{nl.IFLA_VLAN_FLAGS, special, "reorder_hdr", "flags", ""},
		{nl.IFLA_VLAN_FLAGS, special, "gvrp", "", ""},
		{nl.IFLA_VLAN_FLAGS, special, "mvrp", "", ""},
		{nl.IFLA_VLAN_FLAGS, special, "loose_binding", "", ""},
		{nl.IFLA_VLAN_FLAGS, special, "bridge_binding", "", ""},
		{nl.IFLA_VLAN_INGRESS_QOS, special, "ingress-qos-map", "ingress-qos-map", "ingress_qos"},
		{nl.IFLA_VLAN_EGRESS_QOS, special, "egress-qos-map", "egress-qos-map", "egress_qos"},
	}},
	{"macvlan", macvlanOptions},
	{"macvtap", macvlanOptions},
	{"ipvlan", ipvlanOptions},
	{"ipvtap", ipvlanOptions},
	{"veth", []option{{nl.VETH_INFO_PEER, special, "=peer", "", ""}}},
	{"vrf", []option{{iflaVRFTable, number32, "table", "table", ""}}},
	{"vrf_slave", []option{{iflaVRFTable, number32, "", "table", ""}}}, // IFLA_VRF_PORT_TABLE is the same number
}

var macvlanOptions = []option{
	{nl.IFLA_MACVLAN_MODE, special, "mode", "mode", ""},
	{nl.IFLA_MACVLAN_FLAGS, special, "nopromisc", "nopromisc", ""},
	{nl.IFLA_MACVLAN_FLAGS, special, "nodst", "nodst", ""},
	{nl.IFLA_MACVLAN_BC_QUEUE_LEN, number32, "bcqueuelen", "bcqueuelen", ""},
	{nl.IFLA_MACVLAN_BC_QUEUE_LEN_USED, number32, "", "usedbcqueuelen", ""},
	{nl.IFLA_MACVLAN_MACADDR_DATA, special, "macaddr", "", "macaddr_data"},
}

var ipvlanOptions = []option{
	{nl.IFLA_IPVLAN_MODE, special, "mode", "mode", ""},
	{nl.IFLA_IPVLAN_FLAG, special, "private", "private", ""},
	{nl.IFLA_IPVLAN_FLAG, special, "vepa", "vepa", ""},
	{nl.IFLA_IPVLAN_FLAG, special, "bridge", "bridge", ""},
}
