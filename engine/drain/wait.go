package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// answer is what the server says of the instance that asks.
type answer struct {
	// Served: "yes" where a gateway leads to it, "no" where none does, "unknown" where not all of them could be asked.
	Served string `json:"served"`
	// Gateways are those of the peers in the question that are gateways.
	Gateways []string `json:"gateways"`
}

// connection is one that a client holds to the instance.
type connection struct {
	peer netip.Addr
	busy bool // It carries a request, or did so a moment ago.
}

const (
	interval = 200 * time.Millisecond
	// A gateway takes a change at most 250 ms after another one. So long there must have been nothing: it may be about
	// to take the change by which the instance was added.
	quiet = 600 * time.Millisecond
	// An answer that was sent so short a time ago may not be the last one of its connection.
	settledMs = 1000
	most      = 64 // Peers in one question.
)

// judge tells, from one look to the next, whether the instance may end. It decides; it reads no clock and no network.
type judge struct {
	fallback   time.Duration // So long after the begin, an unreachable view counts as "not served".
	quietSince time.Duration
	isQuiet    bool
}

// look takes what is at `now` (since the begin) and says whether the instance may end.
func (j *judge) look(now time.Duration, served string, gateways map[netip.Addr]bool, open []connection) bool {
	dropped := served == "no" || (served != "yes" && now >= j.fallback)
	for _, c := range open {
		// A gateway closes a connection that rests for a second: one that is still there carries something, if only a
		// WebSocket on which nobody speaks. Other clients keep theirs for minutes, so those must show that they are in use.
		if gateways[c.peer] || c.busy {
			dropped = false
		}
	}
	if !dropped {
		j.isQuiet = false
		return false
	}
	if !j.isQuiet {
		j.isQuiet, j.quietSince = true, now
	}
	return now-j.quietSince >= quiet
}

// connections are those that clients hold to a port of this network namespace, by what the kernel says.
func connections(port int) ([]connection, error) {
	var found []connection
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCPInfo(family)
		if err != nil {
			return nil, err
		}
		for _, s := range sockets {
			if s.InetDiagMsg == nil || s.InetDiagMsg.State != netlink.TCP_ESTABLISHED || int(s.InetDiagMsg.ID.SourcePort) != port {
				continue
			}
			peer, ok := netip.AddrFromSlice(s.InetDiagMsg.ID.Destination)
			peer = peer.Unmap()
			if !ok || peer.IsLoopback() {
				continue
			}
			found = append(found, connection{peer, busy(s.TCPInfo)})
		}
	}
	return found, nil
}

// busy is whether a request is under way on a connection: it came after what was sent last, or something was sent just now.
func busy(info *netlink.TCPInfo) bool {
	if info == nil {
		return true
	}
	return info.Last_data_recv < info.Last_data_sent || info.Last_data_sent < settledMs
}

// ask asks the server about this instance; "unknown" where it does not answer.
func ask(client *http.Client, view string, port int, open []connection) answer {
	told := url.Values{"port": {strconv.Itoa(port)}}
	seen := map[netip.Addr]bool{}
	for _, c := range open {
		if !seen[c.peer] && len(seen) < most {
			seen[c.peer] = true
			told.Add("peer", c.peer.String())
		}
	}
	unknown := answer{Served: "unknown"}
	response, err := client.Get(view + "/served?" + told.Encode())
	if err != nil {
		return unknown
	}
	defer response.Body.Close()
	var said answer
	if response.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(response.Body, 16<<10)).Decode(&said) != nil {
		return unknown
	}
	return said
}

func addresses(texts []string) map[netip.Addr]bool {
	found := map[netip.Addr]bool{}
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil {
			found[address] = true
		}
	}
	return found
}

// direct is a client that no variable of the application's leads elsewhere.
func direct() *http.Client {
	dialer := &net.Dialer{Timeout: time.Second}
	transport := &http.Transport{
		Proxy:       nil,
		DialContext: func(c context.Context, n, a string) (net.Conn, error) { return dialer.DialContext(c, n, a) },
	}
	return &http.Client{Transport: transport, Timeout: 1500 * time.Millisecond}
}

func wait(arguments []string) error {
	// It runs on the memory that the application was given.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)
	flags := flag.NewFlagSet("wait", flag.ContinueOnError)
	view := flags.String("view", "", "URL of the server")
	port := flags.Int("port", 0, "where the application listens")
	limit := flags.Duration("limit", 30*time.Second, "wait no longer")
	fallback := flags.Duration("fallback", 5*time.Second, "wait so long where the server does not know")
	if err := flags.Parse(arguments); err != nil {
		time.Sleep(5 * time.Second) // What follows is the end, and it must not come at once.
		return err
	}
	begin := time.Now()
	client := direct()
	judged := judge{fallback: *fallback}
	for time.Since(begin) < *limit {
		open, err := connections(*port)
		if err != nil {
			fmt.Fprintf(os.Stderr, "The kernel does not tell which connections are open: %v\n", err)
		}
		said := ask(client, *view, *port, open)
		if err != nil {
			said.Served = "unknown"
		}
		if judged.look(time.Since(begin), said.Served, addresses(said.Gateways), open) {
			return nil
		}
		time.Sleep(interval)
	}
	return fmt.Errorf("after %v a gateway still leads here, or requests are under way; the instance ends all the same", *limit)
}
