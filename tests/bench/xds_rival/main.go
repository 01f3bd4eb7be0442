// The bench's rival: go-control-plane's snapshot cache and server over mutual TLS, with the content in content.json.
// It answers the same lines as xds_server_child.py; "change" alternates between the two prepared assignments.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
)

type line struct{ Type, Name, Body string }

// One view for all clients.
type everybody struct{}

func (everybody) ID(*corev3.Node) string { return "all" }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func message(url string) types.Resource {
	switch {
	case strings.HasSuffix(url, "Cluster"):
		return &clusterv3.Cluster{}
	case strings.HasSuffix(url, "ClusterLoadAssignment"):
		return &endpointv3.ClusterLoadAssignment{}
	case strings.HasSuffix(url, "Listener"):
		return &listenerv3.Listener{}
	}
	return &routev3.RouteConfiguration{}
}

func read(folder string) (map[string][]types.Resource, []types.Resource) {
	raw, err := os.ReadFile(folder + "/content.json")
	must(err)
	var lines []line
	must(json.Unmarshal(raw, &lines))
	var changes []types.Resource
	found := map[string][]types.Resource{}
	for at, one := range lines {
		body, err := base64.StdEncoding.DecodeString(one.Body)
		must(err)
		made := message(one.Type)
		must(proto.Unmarshal(body, made))
		if at >= len(lines)-2 {
			changes = append(changes, made)
		} else {
			found[one.Type] = append(found[one.Type], made)
		}
	}
	return found, changes
}

func secure(folder string) credentials.TransportCredentials {
	pair, err := tls.LoadX509KeyPair(folder+"/server.pem", folder+"/server.key")
	must(err)
	pem, err := os.ReadFile(folder + "/anchor.pem")
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	})
}

// Seconds of CLOCK_MONOTONIC, as Python's time.monotonic has them.
func monotonic() float64 {
	var now unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return float64(now.Sec) + float64(now.Nsec)/1e9
}

func resident() float64 {
	raw, err := os.ReadFile("/proc/self/statm")
	must(err)
	pages, err := strconv.ParseFloat(strings.Fields(string(raw))[1], 64)
	must(err)
	return pages * float64(os.Getpagesize()) / 1e6
}

func processor() float64 {
	var spent syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &spent))
	return float64(spent.Utime.Sec+spent.Stime.Sec) + float64(spent.Utime.Usec+spent.Stime.Usec)/1e6
}

func main() {
	content, changes := read(os.Args[1])
	ctx := context.Background()
	snapshots := cache.NewSnapshotCache(true, everybody{}, nil)
	offer := func(version int) {
		made, err := cache.NewSnapshot(strconv.Itoa(version), content)
		must(err)
		must(snapshots.SetSnapshot(ctx, "all", made))
	}
	offer(0)
	var streams atomic.Int64
	calls := server.CallbackFuncs{
		DeltaStreamOpenFunc:   func(context.Context, int64, string) error { streams.Add(1); return nil },
		DeltaStreamClosedFunc: func(int64, *corev3.Node) { streams.Add(-1) },
	}
	served := grpc.NewServer(grpc.Creds(secure(os.Args[1])))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(served, server.NewServer(ctx, snapshots, calls))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() { must(served.Serve(listener)) }()
	out := json.NewEncoder(os.Stdout)
	must(out.Encode(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port}))
	version := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "change" {
			replace(content, changes[version%2])
			version++
			began := monotonic()
			offer(version)
			must(out.Encode(map[string]any{"began": began, "settled": monotonic()}))
			continue
		}
		must(out.Encode(map[string]any{"resident": resident(), "processor": processor(), "streams": streams.Load()}))
	}
}

func replace(content map[string][]types.Resource, with types.Resource) {
	for url, all := range content {
		next := append([]types.Resource{}, all...)
		for at, one := range next {
			if strings.HasSuffix(url, "ClusterLoadAssignment") && cache.GetResourceName(one) == cache.GetResourceName(with) {
				next[at] = with
			}
		}
		content[url] = next
	}
}
