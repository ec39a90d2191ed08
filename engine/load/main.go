// load sends requests to an application behind the gateway by the clock, whether earlier ones were answered or not, until
// its input ends, and prints what came of them as JSON. Times count from the moment at which a request was due, so one
// that had to wait for others is late (no coordinated omission).
//
// Each line of its input begins a part of that name. A request belongs to the part in which it was due; what came of
// each part stands beside what came of all. A part that is named again goes on.
//
// The application answers GET / and GET /slow?ms=N with 200, and a WebSocket at /ws with what it is sent. Kinds of load:
//
//	http1      HTTP/1.1 on connections that are kept
//	http2      HTTP/2 over TLS, all on one connection
//	slow       HTTP/1.1, answered after one to three seconds
//	websocket  a session of up to three seconds: ten messages, each answered, closed in order
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const messages = 10

var patience time.Duration // Of a client, beyond what it asked for.

// kinds of load, in the order in which they are told.
var kinds = []string{"http1", "http2", "slow", "websocket"}

// outcome is what came of the requests of one kind in one part.
type outcome struct {
	took  []float32 // Milliseconds, of what succeeded.
	wrong map[string]int
}

// book holds every outcome, by part and kind.
type book struct {
	mutex sync.Mutex
	parts map[string]map[string]*outcome
}

func (b *book) note(part, kind string, due time.Time, err error) {
	took := time.Since(due)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.parts[part] == nil {
		b.parts[part] = map[string]*outcome{}
		for _, name := range kinds {
			b.parts[part][name] = &outcome{wrong: map[string]int{}}
		}
	}
	came := b.parts[part][kind]
	if err != nil {
		came.wrong[reason(err)]++
		return
	}
	came.took = append(came.took, float32(took.Microseconds())/1000)
}

// tell sums up all parts, and each by itself.
func (b *book) tell() map[string]any {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	result, parts := map[string]any{}, map[string]any{}
	for _, kind := range kinds {
		all := &outcome{wrong: map[string]int{}}
		for _, part := range b.parts {
			all.took = append(all.took, part[kind].took...)
			for why, count := range part[kind].wrong {
				all.wrong[why] += count
			}
		}
		result[kind] = all.tell()
	}
	for name, part := range b.parts {
		found := map[string]told{}
		for kind, came := range part {
			found[kind] = came.tell()
		}
		parts[name] = found
	}
	result["parts"] = parts
	return result
}

// reason is an error's text without what tells one request from another.
func reason(err error) string {
	text := err.Error()
	if len(text) > 160 {
		text = text[:160]
	}
	return text
}

type told struct {
	Requests int                `json:"requests"`
	Failed   int                `json:"failed"`
	Ms       map[string]float32 `json:"ms"`
	Wrong    map[string]int     `json:"wrong"`
}

func (o *outcome) tell() told {
	slices.Sort(o.took)
	result := told{Requests: len(o.took), Ms: map[string]float32{}, Wrong: o.wrong}
	for _, count := range o.wrong {
		result.Requests += count
		result.Failed += count
	}
	for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99, "p999": 0.999, "most": 1} {
		if len(o.took) > 0 {
			result.Ms[name] = o.took[min(len(o.took)-1, int(share*float64(len(o.took))))]
		}
	}
	return result
}

type load struct {
	host  string
	http1 *http.Client
	http2 *http.Client
}

func (l *load) get(client *http.Client, url string, may time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), may)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

func (l *load) plain() error { return l.get(l.http1, "http://"+l.host+"/", patience) }

func (l *load) multiplexed() error { return l.get(l.http2, "https://"+l.host+"/", patience) }

func (l *load) slow() error {
	takes := 1000 + rand.IntN(2000)
	url := fmt.Sprintf("http://%s/slow?ms=%d", l.host, takes)
	return l.get(l.http1, url, patience+time.Duration(takes)*time.Millisecond)
}

func (l *load) session() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience+3*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+l.host+"/ws", &websocket.DialOptions{HTTPClient: l.http1})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for number := range messages {
		text := fmt.Sprintf("message %d", number)
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
		_, said, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if string(said) != text {
			return fmt.Errorf("the answer to %q is %q", text, said)
		}
		time.Sleep(time.Duration(rand.IntN(600)) * time.Millisecond)
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

func clients(http, https, authority string) (*load, error) {
	believed := x509.NewCertPool()
	if authority != "" {
		text, err := os.ReadFile(authority)
		if err != nil {
			return nil, err
		}
		believed.AppendCertsFromPEM(text)
	}
	return &load{http1: client(http, nil), http2: client(https, believed)}, nil
}

// client sends everything to one address, whatever the URL's host is.
func client(address string, believed *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     time.Minute,
	}
	if believed != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: believed}
		transport.ForceAttemptHTTP2 = true
	}
	return &http.Client{Transport: transport}
}

func main() {
	host := flag.String("host", "", "the application's host name")
	http1 := flag.String("http", "127.0.0.1:80", "the gateway")
	https := flag.String("https", "127.0.0.1:443", "the gateway, with TLS")
	authority := flag.String("authority", "", "file of whom to believe")
	rate := flag.Float64("rate", 400, "requests a second")
	http2 := flag.Float64("http2", 0.15, "share of HTTP/2")
	slow := flag.Float64("slow", 0.02, "share of slow requests")
	sockets := flag.Float64("websocket", 0.01, "share of WebSocket sessions")
	flag.DurationVar(&patience, "patience", 10*time.Second, "of a client, beyond what it asked for")
	flag.Parse()
	l, err := clients(*http1, *https, *authority)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l.host = *host
	over, part := make(chan struct{}), atomic.Pointer[string]{}
	first := "all"
	part.Store(&first)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			name := lines.Text()
			part.Store(&name)
		}
		close(over)
	}()
	all := &book{parts: map[string]map[string]*outcome{}}
	var going sync.WaitGroup
	begin := time.Now()
	for number := 0; ; number++ {
		due := begin.Add(time.Duration(float64(number) / *rate * float64(time.Second)))
		select {
		case <-over:
			going.Wait()
			result := all.tell()
			result["seconds"] = time.Since(begin).Seconds()
			_ = json.NewEncoder(os.Stdout).Encode(result)
			return
		case <-time.After(time.Until(due)):
		}
		name, ask := "http1", l.plain
		switch share := rand.Float64(); {
		case share < *sockets:
			name, ask = "websocket", l.session
		case share < *sockets+*slow:
			name, ask = "slow", l.slow
		case share < *sockets+*slow+*http2:
			name, ask = "http2", l.multiplexed
		}
		during := *part.Load()
		going.Go(func() { all.note(during, name, due, ask()) })
	}
}
