package ip

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/link"
)

// A counter is shown in a column, and in JSON by a key.
type counter struct {
	which     int
	head, key string
}

// carrierChanges is no counter of the message's own.
const carrierChanges = -1

// A direction is what is shown of what a device receives or sends: the second
// line only with -s -s.
type direction struct {
	name, key string
	text      [2][]counter
	json      [2][]counter
}

var directions = [...]direction{
	{"RX", "rx",
		[2][]counter{
			{{link.RxBytes, "bytes", ""}, {link.RxPackets, "packets", ""}, {link.RxErrors, "errors", ""}, {link.RxDropped, "dropped", ""},
				{link.RxMissedErrors, "missed", ""}, {link.Multicast, "mcast", ""}},
			{{link.RxLengthErrors, "length", ""}, {link.RxCRCErrors, "crc", ""}, {link.RxFrameErrors, "frame", ""}, {link.RxFIFOErrors, "fifo", ""},
				{link.RxOverErrors, "overrun", ""}},
		},
		[2][]counter{
			{{link.RxBytes, "", "bytes"}, {link.RxPackets, "", "packets"}, {link.RxErrors, "", "errors"}, {link.RxDropped, "", "dropped"},
				{link.RxOverErrors, "", "over_errors"}, {link.Multicast, "", "multicast"}},
			{{link.RxLengthErrors, "", "length_errors"}, {link.RxCRCErrors, "", "crc_errors"}, {link.RxFrameErrors, "", "frame_errors"},
				{link.RxFIFOErrors, "", "fifo_errors"}, {link.RxMissedErrors, "", "missed_errors"}},
		}},
	{"TX", "tx",
		[2][]counter{
			{{link.TxBytes, "bytes", "bytes"}, {link.TxPackets, "packets", "packets"}, {link.TxErrors, "errors", "errors"}, {link.TxDropped, "dropped", "dropped"},
				{link.TxCarrierErrors, "carrier", "carrier_errors"}, {link.Collisions, "collsns", "collisions"}},
			{{link.TxAbortedErrors, "aborted", "aborted_errors"}, {link.TxFIFOErrors, "fifo", "fifo_errors"}, {link.TxWindowErrors, "window", "window_errors"},
				{link.TxHeartbeatErrors, "heartbt", "heartbeat_errors"}, {carrierChanges, "transns", "carrier_changes"}},
		}, [2][]counter{}},
}

// showStats prints the counters, in columns that are as wide as the widest of
// their numbers.
func (c *command) showStats(l *link.Link) {
	stats, ok := l.Stats()
	if !ok {
		return
	}
	value := func(k counter) uint64 {
		if k.which == carrierChanges {
			v, _ := l.Number(unix.IFLA_CARRIER_CHANGES)
			return v
		}
		return stats[k.which]
	}
	lines := min(c.stats, 2)
	widths := [...]int{10, 7, 6, 7, 7, 7}
	for _, d := range directions {
		for i, line := range d.text[:lines] {
			for j, k := range line {
				// The second line begins in the second column.
				widths[i+j] = max(widths[i+j], len(strconv.FormatUint(value(k), 10)))
			}
		}
	}
	first := true
	c.open("stats64")
	for _, d := range directions {
		c.open(d.key)
		for i, line := range d.text[:lines] {
			if c.json {
				if d.json[i] != nil {
					line = d.json[i]
				}
				for _, k := range line {
					c.num(k.key, "", int64(value(k)))
				}
				continue
			}
			if !first {
				c.newline()
			}
			first = false
			if i == 0 {
				c.text("    %s: %*s", d.name, widths[0]-4, line[0].head)
				for j, k := range line[1:] {
					c.text(" %*s", widths[j+1], k.head)
				}
				c.text(" %10s", "")
			} else {
				c.text("    %s errors:%*s", d.name, widths[0]-10, "")
				for j, k := range line {
					c.text(" %*s", widths[j+1], k.head)
				}
			}
			c.newline()
			c.text("    ")
			if i == 1 {
				c.text("%*s ", widths[0], "")
			}
			for j, k := range line {
				c.text("%*d ", widths[i+j], value(k))
			}
		}
		c.close()
	}
	c.close()
}
