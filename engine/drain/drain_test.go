package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

var node, other = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.99")
var gateways = map[netip.Addr]bool{node: true}

// ends tells after how long an instance may end; `at` gives what there is, as a function of the time since the begin.
func ends(t *testing.T, at func(time.Duration) (string, []connection)) time.Duration {
	t.Helper()
	judged := judge{fallback: 5 * time.Second}
	for now := time.Duration(0); now < time.Minute; now += interval {
		served, open := at(now)
		if judged.look(now, served, gateways, open) {
			return now
		}
	}
	return time.Minute
}

func TestAnInstanceEnds(t *testing.T) {
	second := func(now time.Duration, s float64, before, after string) string {
		if now < time.Duration(s*float64(time.Second)) {
			return before
		}
		return after
	}
	held := func(until time.Duration, c connection) func(time.Duration) []connection {
		return func(now time.Duration) []connection {
			if now < until {
				return []connection{c}
			}
			return nil
		}
	}
	none := func(time.Duration) []connection { return nil }
	cases := map[string]struct {
		served func(time.Duration) string
		open   func(time.Duration) []connection
		want   time.Duration
	}{
		"once nothing leads to it": {func(time.Duration) string { return "no" }, none, quiet},
		"not while a gateway leads to it": {
			func(now time.Duration) string { return second(now, 2, "yes", "no") }, none, 2*time.Second + quiet},
		"not between two changes of a gateway": {
			func(now time.Duration) string {
				if now == interval {
					return "yes"
				}
				return "no"
			}, none, 2*interval + quiet},
		"not while a slow request is under way": {
			func(time.Duration) string { return "no" }, held(4*time.Second, connection{node, true}), 4*time.Second + quiet},
		"not while a WebSocket rests": {
			func(time.Duration) string { return "no" }, held(9*time.Second, connection{node, false}), 9*time.Second + quiet},
		"whatever others keep open and do not use": {
			func(time.Duration) string { return "no" }, held(time.Minute, connection{other, false}), quiet},
		"not while others use it": {
			func(time.Duration) string { return "no" }, held(3*time.Second, connection{other, true}), 3*time.Second + quiet},
		"after the fixed time where nobody knows": {
			func(time.Duration) string { return "unknown" }, none, 5*time.Second + quiet},
		"never while a gateway leads to it": {
			func(time.Duration) string { return "yes" }, none, time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := ends(t, func(now time.Duration) (string, []connection) { return c.served(now), c.open(now) })
			if got != c.want {
				t.Errorf("it ends after %v, not after %v", got, c.want)
			}
		})
	}
}

func TestAConnectionIsBusy(t *testing.T) {
	for name, c := range map[string]struct {
		info *netlink.TCPInfo
		want bool
	}{
		"with a request that is not answered": {&netlink.TCPInfo{Last_data_recv: 5000, Last_data_sent: 9000}, true},
		"with an answer of just now":          {&netlink.TCPInfo{Last_data_recv: 300, Last_data_sent: 200}, true},
		"not long after its answer":           {&netlink.TCPInfo{Last_data_recv: 5100, Last_data_sent: 5000}, false},
		"where the kernel says nothing":       {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := busy(c.info); got != c.want {
				t.Errorf("busy is %v", got)
			}
		})
	}
}

// other connections of this machine never count, and those of its own loopback neither.
func TestTheKernelTellsWhichConnectionsAreOpen(t *testing.T) {
	address := outward(t)
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skipf("no address of this machine can be listened on: %v", err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	if open, err := connections(port); err != nil || len(open) != 0 {
		t.Fatalf("before: %v, %v", open, err)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	served, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if _, err := io.WriteString(client, "a request"); err != nil {
		t.Fatal(err)
	}
	if _, err := served.Read(make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	open, err := connections(port)
	if err != nil || len(open) != 1 || open[0].peer.String() != address || !open[0].busy {
		t.Fatalf("open: %v, %v", open, err)
	}
}

func outward(t *testing.T) string {
	t.Helper()
	found, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range found {
		if at, ok := item.(*net.IPNet); ok && !at.IP.IsLoopback() && at.IP.To4() != nil {
			return at.IP.String()
		}
	}
	t.Skip("this machine has no address but its loopback's")
	return ""
}

const listed = `[{"loadBalancer":{"servers":[{"url":"http://10.0.0.5:8080"},{"url":"http://[fd00::5]:8080"}]},"name":"a@k"},
 {"weighted":{"services":[{"name":"a"}]},"name":"b@k"},{"name":"api@internal"}]`

func TestTheServersOfAGatewayAreRead(t *testing.T) {
	found, err := servers(strings.NewReader(listed))
	if err != nil || len(found) != 2 || found[netip.MustParseAddrPort("10.0.0.5:8080")][0] != "a@k" ||
		len(found[netip.MustParseAddrPort("[fd00::5]:8080")]) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if _, err := servers(strings.NewReader("<html>")); err == nil {
		t.Fatal("what is no list passes for an empty one")
	}
}

// standing is a gateway that serves the given address.
func standing(t *testing.T, address string, asked *atomic.Int32) *gateway {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked != nil {
			asked.Add(1)
		}
		fmt.Fprintf(w, `[{"loadBalancer":{"servers":[{"url":"http://%s:8080"}]}}]`, address)
	}))
	t.Cleanup(server.Close)
	return &gateway{url: server.URL, client: server.Client()}
}

func together(members ...*gateway) *fleet {
	found := map[string]*gateway{}
	for _, member := range members {
		found[member.url] = member
	}
	return &fleet{known: true, members: found, sources: gateways}
}

func TestAnInstanceIsServedWhereOneGatewaySaysSo(t *testing.T) {
	dead := &gateway{url: "http://127.0.0.1:1", client: http.DefaultClient}
	ctx := context.Background()
	mine := netip.MustParseAddrPort("10.0.0.5:8080")
	for name, c := range map[string]struct {
		all  *fleet
		want string
	}{
		"one of two leads there":         {together(standing(t, "10.0.0.6", nil), standing(t, "10.0.0.5", nil)), "yes"},
		"one leads there, one is silent": {together(dead, standing(t, "10.0.0.5", nil)), "yes"},
		"none leads there":               {together(standing(t, "10.0.0.6", nil)), "no"},
		"one is silent":                  {together(dead, standing(t, "10.0.0.6", nil)), "unknown"},
		"there is none":                  {together(), "unknown"},
		"nobody said where they are":     {&fleet{}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.all.served(ctx, mine, nil).Served; got != c.want {
				t.Errorf("served is %q", got)
			}
		})
	}
}

func TestWhoeverAsksLearnsOfItselfOnly(t *testing.T) {
	all := together(standing(t, "127.0.0.1", nil))
	door := httptest.NewServer(server(all.answerInstances, "/served").Handler)
	defer door.Close()
	var said answer
	// Whatever it says of itself, in the query and in headers: the connection's address counts.
	request, _ := http.NewRequest("GET", door.URL+"/served?port=8080&address=10.0.0.6&peer=10.0.0.1&peer=10.0.0.99&peer=x", nil)
	request.Header.Set("X-Forwarded-For", "10.0.0.6")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	if said.Served != "yes" || len(said.Gateways) != 1 || said.Gateways[0] != "10.0.0.1" {
		t.Fatalf("it was told %+v", said)
	}
	for _, path := range []string{"/", "/traffic?address=127.0.0.1", "/api/http/services", "/metrics"} {
		response, err := http.Get(door.URL + path)
		if err != nil || response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v, %v", path, response.Status, err)
		}
	}
	if response, _ := http.Post(door.URL+"/served", "text/plain", nil); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", response.Status)
	}
	if response, _ := http.Get(door.URL + "/served?port=http"); response.StatusCode != 400 {
		t.Errorf("no port: %s", response.Status)
	}
	if response, _ := http.Get(door.URL + "/served?port=1&" + strings.Repeat("peer=10.0.0.1&", most+1)); response.StatusCode != 400 {
		t.Errorf("%d peers: %s", most+1, response.Status)
	}
}

func TestTheControllerIsToldWhatWasCountedOfAnApplication(t *testing.T) {
	counted := `traefik_service_requests_total{code="200",service="a@k"} 7
traefik_service_requests_total{code="200",service="b@k"} 9
traefik_entrypoint_requests_total{code="200",service="a@k"} 1
`
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprint(w, counted)
			return
		}
		fmt.Fprint(w, `[{"name":"a@k","loadBalancer":{"servers":[{"url":"http://10.0.0.5:8080"}]}},
		 {"name":"b@k","loadBalancer":{"servers":[{"url":"http://10.0.0.6:8080"}]}}]`)
	}))
	defer door.Close()
	all := together(&gateway{url: door.URL, client: door.Client()}, &gateway{url: "http://127.0.0.1:1", client: door.Client()})
	way := httptest.NewServer(server(all.answerController, "/traffic").Handler)
	defer way.Close()
	response, err := http.Get(way.URL + "/traffic?address=10.0.0.5&address=10.0.0.7")
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]*string
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	lines := said[door.URL]
	if lines == nil || *lines != strings.SplitAfter(counted, "\n")[0] || len(said) != 2 || said["http://127.0.0.1:1"] != nil {
		t.Fatalf("it was told %v", said)
	}
}

func TestHoweverManyAskAGatewayIsAskedSeldom(t *testing.T) {
	var asked atomic.Int32
	all := together(standing(t, "10.0.0.6", &asked))
	begin := time.Now()
	for range 200 {
		all.served(context.Background(), netip.AddrPortFrom(other, 8080), nil)
	}
	if most := int32(time.Since(begin)/newEvery) + 2; asked.Load() > most {
		t.Fatalf("it was asked %d times in %v", asked.Load(), time.Since(begin))
	}
}

func TestNobodyTakesTheServerForItself(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := &limited{Listener: inner, held: map[netip.Addr]int{}}
	go http.Serve(bounded, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	defer inner.Close()
	var held []net.Conn
	for range perClient {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	ask := func() string {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(3 * time.Second))
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		said, _ := io.ReadAll(conn)
		return string(said)
	}
	if said := ask(); strings.Contains(said, "200 OK") {
		t.Fatal("there is no bound")
	}
	for _, conn := range held {
		conn.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(ask(), "200 OK") {
		if time.Now().After(deadline) {
			t.Fatal("what was given back stays taken")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestNoVariableOfTheApplicationLeadsTheHelperElsewhere(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	if said := ask(direct(), "http://nobody.invalid", 8080, nil); said.Served != "unknown" || asked.Load() != 0 {
		t.Fatalf("%+v, the proxy was asked %d times", said, asked.Load())
	}
}

// A gateway is believed by its certificate and by nothing else.
func TestAFalseGatewayIsNotBelieved(t *testing.T) {
	false_ := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") }))
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, DNSNames: []string{"gateway.roost-system.svc"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, _ := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	false_.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	false_.StartTLS()
	defer false_.Close()
	client := &http.Client{Transport: &named{"gateway.roost-system.svc", &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "gateway.roost-system.svc"}}}}
	g := &gateway{url: false_.URL, client: client}
	if _, err := g.look(context.Background()); err == nil {
		t.Fatal("it is believed")
	}
}
