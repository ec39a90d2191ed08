package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount"

// cluster is the little that is asked of kube-apiserver: two lists, with the ServiceAccount's token.
type cluster struct {
	url    string
	client *http.Client
	token  string // A file: the kubelet renews it.
}

var errMissing = errors.New("there is no such kind")

func inCluster() (*cluster, error) {
	authority, err := os.ReadFile(account + "/ca.crt")
	if err != nil {
		return nil, err
	}
	believed := x509.NewCertPool()
	believed.AppendCertsFromPEM(authority)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: believed, MinVersion: tls.VersionTLS12}, IdleConnTimeout: 30 * time.Second,
	}
	at := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	return &cluster{"https://" + at, &http.Client{Transport: transport}, account + "/token"}, nil
}

func (c *cluster) list(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(c.token)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return errMissing
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return json.NewDecoder(io.LimitReader(response.Body, biggest)).Decode(into)
}

// gateways are the addresses of nodes on which one runs, also one that is about to end or does not answer just now.
func (c *cluster) gateways(ctx context.Context) ([]string, error) {
	var pods struct {
		Items []struct {
			Status struct {
				Phase  string `json:"phase"`
				HostIP string `json:"hostIP"`
			} `json:"status"`
		} `json:"items"`
	}
	path := "/api/v1/namespaces/roost-system/pods?labelSelector=app.kubernetes.io/name%3Dtraefik"
	if err := c.list(ctx, path, &pods); err != nil {
		return nil, err
	}
	var found []string
	for _, pod := range pods.Items {
		if pod.Status.Phase == "Running" && pod.Status.HostIP != "" {
			found = append(found, pod.Status.HostIP)
		}
	}
	return found, nil
}

// sources are the addresses that connections from processes of nodes come from: with Cilium, one of each node's own.
func (c *cluster) sources(ctx context.Context) ([]string, error) {
	var nodes struct {
		Items []struct {
			Spec struct {
				Addresses []struct {
					IP string `json:"ip"`
				} `json:"addresses"`
			} `json:"spec"`
		} `json:"items"`
	}
	err := c.list(ctx, "/apis/cilium.io/v2/ciliumnodes", &nodes)
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, node := range nodes.Items {
		for _, address := range node.Spec.Addresses {
			found = append(found, address.IP)
		}
	}
	return found, nil
}
