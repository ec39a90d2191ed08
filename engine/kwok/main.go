// kube-writer sends the writes of a file to kube-apiserver and does nothing else: what benchmarks of scale compare
// Roost's controller with. One line of the file is one request, as JSON; those of one group go in order, groups side by
// side. It prints what that took, as JSON.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

type write struct {
	Group, Method, Path, Type, User string
	Body                            json.RawMessage
}

type result struct {
	mutex   sync.Mutex
	Writes  int     `json:"writes"`
	Failed  int     `json:"failed"`
	First   string  `json:"first_failure,omitempty"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_s"`
}

func (r *result) note(err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Writes++
	if err != nil {
		r.Failed++
		if r.First == "" {
			r.First = err.Error()
		}
	}
}

func send(client *http.Client, server, token string, w write) error {
	request, err := http.NewRequest(w.Method, server+w.Path, bytes.NewReader(w.Body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("User-Agent", "kube-writer")
	request.Header.Set("Content-Type", w.Type)
	if w.User != "" {
		request.Header.Set("Impersonate-User", w.User)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %d %.300s", w.Method, w.Path, response.StatusCode, answer)
	}
	return err
}

func read(path string) ([][]write, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var groups [][]write
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var w write
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			return nil, err
		}
		if last := len(groups) - 1; last >= 0 && groups[last][0].Group == w.Group {
			groups[last] = append(groups[last], w)
		} else {
			groups = append(groups, []write{w})
		}
	}
	return groups, lines.Err()
}

func run() (*result, error) {
	server := flag.String("server", "", "URL of kube-apiserver")
	authority := flag.String("authority", "", "file with its CA")
	token := flag.String("token", "", "bearer token")
	workers := flag.Int("workers", 16, "groups at work at the same time")
	flag.Parse()
	groups, err := read(flag.Arg(0))
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(*authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	// HTTP/1.1 with one connection for each worker: faster here than all of them in one connection.
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool},
		MaxIdleConnsPerHost: *workers,
	}}
	done, queue, waiting := &result{}, make(chan []write), sync.WaitGroup{}
	begin := time.Now()
	for range *workers {
		waiting.Go(func() {
			for group := range queue {
				for _, w := range group {
					done.note(send(client, *server, *token, w))
				}
			}
		})
	}
	for _, group := range groups {
		queue <- group
	}
	close(queue)
	waiting.Wait()
	done.Seconds = time.Since(begin).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return nil, err
	}
	done.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	return done, nil
}

func main() {
	done, err := run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(done)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if done.Failed > 0 {
		os.Exit(2)
	}
}
