package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	newEvery   = 250 * time.Millisecond // No gateway is asked more often, however many instances wait.
	pollsShare = 10                     // And asking takes at most one part in so many of the time.
	patience   = time.Second            // With a gateway: one that does not answer may be dead.
	perClient  = 8                      // Connections that one address may hold.
	inAll      = 2048
	biggest    = 64 << 20 // Bytes of a gateway's answer.
)

// gateway is one of the gateways, and what it said last.
type gateway struct {
	url    string
	client *http.Client
	mutex  sync.Mutex // Held while it is asked: who comes meanwhile takes the same answer.
	asked  time.Time
	next   time.Time
	serves map[netip.AddrPort][]string
	failed error
}

// look asks the gateway, unless that was done just now. What it returns is not older than newEvery, or the time that
// ten askings take.
func (g *gateway) look(ctx context.Context) (map[netip.AddrPort][]string, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if time.Now().Before(g.next) {
		return g.serves, g.failed
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	g.serves, g.failed = g.ask(ctx)
	took := time.Since(begin)
	g.next = time.Now().Add(max(newEvery-took, (pollsShare-1)*took))
	if g.failed != nil {
		g.next = time.Now().Add(newEvery)
	}
	return g.serves, g.failed
}

func (g *gateway) get(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := g.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("%s answers %s", g.url, response.Status)
	}
	return response.Body, nil
}

// ask reads which addresses the gateway leads requests to, at this moment.
func (g *gateway) ask(ctx context.Context) (map[netip.AddrPort][]string, error) {
	body, err := g.get(ctx, "/api/http/services?per_page=1000000")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return servers(io.LimitReader(body, biggest))
}

// servers are the addresses in Traefik's list of services, each with the services that it is of.
func servers(body io.Reader) (map[netip.AddrPort][]string, error) {
	var services []struct {
		Name         string `json:"name"`
		LoadBalancer struct {
			Servers []struct {
				URL string `json:"url"`
			} `json:"servers"`
		} `json:"loadBalancer"`
	}
	if err := json.NewDecoder(body).Decode(&services); err != nil {
		return nil, err
	}
	found := map[netip.AddrPort][]string{}
	for _, service := range services {
		for _, server := range service.LoadBalancer.Servers {
			_, place, _ := strings.Cut(server.URL, "://")
			place, _, _ = strings.Cut(place, "/")
			if at, err := netip.ParseAddrPort(place); err == nil {
				at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
				found[at] = append(found[at], service.Name)
			}
		}
	}
	return found, nil
}

// fleet is all gateways there are, as Kubernetes lists them.
type fleet struct {
	cluster *cluster
	client  *http.Client
	port    int
	mutex   sync.Mutex
	listed  time.Time
	known   bool
	members map[string]*gateway
	sources map[netip.Addr]bool // Addresses that a gateway's connections come from.
}

const listEvery = 2 * time.Second

// now lists the gateways; where Kubernetes does not answer, those that were there last.
func (f *fleet) now(ctx context.Context) ([]*gateway, map[netip.Addr]bool, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.cluster != nil && time.Since(f.listed) >= listEvery {
		f.listed = time.Now()
		if err := f.list(ctx); err != nil {
			log.Printf("Kubernetes does not tell where the gateways are: %v", err)
		}
	}
	if !f.known {
		return nil, nil, errors.New("nobody has told yet where the gateways are")
	}
	found := make([]*gateway, 0, len(f.members))
	for _, member := range f.members {
		found = append(found, member)
	}
	return found, f.sources, nil
}

func (f *fleet) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	hosts, err := f.cluster.gateways(ctx)
	if err != nil {
		return err
	}
	sources, err := f.cluster.sources(ctx)
	if err != nil {
		return err
	}
	f.take(hosts, sources)
	return nil
}

// take makes `hosts` the gateways; what is known of those that stay is kept.
func (f *fleet) take(hosts []string, sources []string) {
	members := map[string]*gateway{}
	for _, host := range hosts {
		if members[host] = f.members[host]; members[host] == nil {
			at := net.JoinHostPort(host, fmt.Sprint(f.port))
			members[host] = &gateway{url: "https://" + at, client: f.client}
		}
	}
	f.members, f.sources, f.known = members, addresses(append(sources, hosts...)), true
}

// served says whether any gateway leads to an address and port.
func (f *fleet) served(ctx context.Context, at netip.AddrPort, peers []string) answer {
	members, sources, err := f.now(ctx)
	said := answer{Served: "unknown", Gateways: []string{}}
	if err != nil {
		return said
	}
	for _, text := range peers {
		if peer, err := netip.ParseAddr(text); err == nil && sources[peer.Unmap()] {
			said.Gateways = append(said.Gateways, text)
		}
	}
	type look struct {
		serves map[netip.AddrPort][]string
		err    error
	}
	looks := make(chan look, len(members))
	for _, member := range members {
		go func() {
			serves, err := member.look(context.WithoutCancel(ctx))
			looks <- look{serves, err}
		}()
	}
	said.Served = "no"
	for range members {
		seen := <-looks
		if seen.err != nil && said.Served == "no" {
			said.Served = "unknown"
		} else if len(seen.serves[at]) > 0 {
			said.Served = "yes"
		}
	}
	if len(members) == 0 {
		said.Served = "unknown" // Without a gateway nothing would be served at all: more likely they are not seen.
	}
	return said
}

// answerInstances is the way in for instances: each is told about the address that it asks from.
func (f *fleet) answerInstances(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	peers := r.URL.Query()["peer"]
	port, wrong := strconv.ParseUint(r.URL.Query().Get("port"), 10, 16)
	if err != nil || wrong != nil || len(peers) > most {
		http.Error(w, "a port, and at most 64 peers", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f.served(r.Context(), netip.AddrPortFrom(from.Addr().Unmap(), uint16(port)), peers))
}

// answerController is the way in for the controller: what the gateways counted of the services that instances with these
// addresses are of, gateway by gateway, as lines in Prometheus' text format. A gateway that does not answer is null.
func (f *fleet) answerController(w http.ResponseWriter, r *http.Request) {
	members, _, err := f.now(r.Context())
	if err != nil {
		http.Error(w, "unknown", http.StatusServiceUnavailable)
		return
	}
	asked := addresses(r.URL.Query()["address"])
	found := map[string]*string{}
	for _, member := range members {
		found[member.url] = nil
		if lines, err := member.counted(r.Context(), asked); err == nil {
			found[member.url] = &lines
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found)
}

// counted are the lines of a gateway's metrics that speak of services which have one of these addresses.
func (g *gateway) counted(ctx context.Context, asked map[netip.Addr]bool) (string, error) {
	serves, err := g.look(ctx)
	if err != nil {
		return "", err
	}
	wanted := map[string]bool{}
	for at, names := range serves {
		if asked[at.Addr()] {
			for _, name := range names {
				wanted[name] = true
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := g.get(ctx, "/metrics")
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, biggest))
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "traefik_service_") {
			continue
		}
		_, after, _ := strings.Cut(line, `service="`)
		if name, _, _ := strings.Cut(after, `"`); wanted[name] {
			lines.WriteString(line)
		}
	}
	return lines.String(), nil
}

// limited lets no address, and not all of them together, take the server for itself.
type limited struct {
	net.Listener
	mutex sync.Mutex
	held  map[netip.Addr]int
	total int
}

type counted struct {
	net.Conn
	once  sync.Once
	close func()
}

func (c *counted) Close() error {
	c.once.Do(c.close)
	return c.Conn.Close()
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		from := at.Addr().Unmap()
		l.mutex.Lock()
		full := l.held[from] >= perClient || l.total >= inAll
		if !full {
			l.held[from]++
			l.total++
		}
		l.mutex.Unlock()
		if full {
			conn.Close()
			continue
		}
		return &counted{Conn: conn, close: func() {
			l.mutex.Lock()
			defer l.mutex.Unlock()
			l.total--
			if l.held[from]--; l.held[from] == 0 {
				delete(l.held, from)
			}
		}}, nil
	}
}

// towardsGateways is a client that shows who it is and believes nobody but a gateway.
func towardsGateways(folder, name string) (*http.Client, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	believed := x509.NewCertPool()
	if !believed.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate", folder)
	}
	return &http.Client{Transport: &named{name, &http.Transport{
		TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{own}, RootCAs: believed, ServerName: name, MinVersion: tls.VersionTLS13,
		},
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
	}}}, nil
}

// named calls a gateway, reached by its address, by the name that its route is for.
type named struct {
	name string
	next http.RoundTripper
}

func (n *named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = n.name
	return n.next.RoundTrip(r)
}

func server(handler http.HandlerFunc, path string) *http.Server {
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+path, handler)
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return &http.Server{
		Handler: routes, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
		WriteTimeout: 15 * time.Second, IdleTimeout: 5 * time.Second, MaxHeaderBytes: 8 << 10,
	}
}

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	instances := flags.String("instances", ":8082", "where instances ask")
	controller := flags.String("controller", ":8083", "where the controller asks")
	files := flags.String("tls", "/etc/drain", "folder with tls.crt, tls.key (own) and ca.crt (the gateways' authority)")
	name := flags.String("gateway-name", "gateway.roost-system.svc", "whom the gateways' certificate is for")
	port := flags.Int("gateway-port", 9181, "where gateways tell their view")
	fixed := flags.String("gateways", "", "addresses of gateways, in place of asking Kubernetes")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	client, err := towardsGateways(*files, *name)
	if err != nil {
		return err
	}
	all := &fleet{client: client, port: *port}
	if *fixed != "" {
		all.take(strings.Split(*fixed, ","), nil)
	} else if all.cluster, err = inCluster(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan error, 2)
	for address, handler := range map[string]*http.Server{
		*instances:  server(all.answerInstances, "/served"),
		*controller: server(all.answerController, "/traffic"),
	} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() { ended <- handler.Serve(&limited{Listener: listener, held: map[netip.Addr]int{}}) }()
		defer handler.Close()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}
