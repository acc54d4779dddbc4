// Command spiffe is a stranger to the mesh's proxies: one end of mutual TLS as go-spiffe does it.
//
//	spiffe get CERT KEY ROOTS ADDRESS SPIFFE_ID PATH
//	spiffe serve CERT KEY ROOTS ADDRESS SPIFFE_ID
//
// Both have the X509-SVID of CERT and KEY, trust ROOTS for identities of SPIFFE_ID's trust domain, and speak only
// with a peer of that ID. `get` sends one request, and prints the version of TLS, the peer's ID, the status, and the
// body. `serve` answers every request with the first two and the request's path until it is killed, and prints a line
// when it listens, and for each client that it refuses by its ID.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

const (
	// What Istio's proxies call HTTP/1.1 between each other.
	protocol = "istio-http/1.1"
	// Generous: nothing is measured.
	patience = 30 * time.Second
	maxBody  = 1 << 20
)

// Who this end is, and with whom it speaks.
type party struct {
	svid    *x509svid.SVID
	trusted *x509bundle.Bundle
	peer    spiffeid.ID
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "spiffe:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 7 && arguments[0] == "get":
		self, err := load(arguments[1:])
		if err != nil {
			return err
		}
		return self.get(arguments[4], arguments[6])
	case len(arguments) == 6 && arguments[0] == "serve":
		self, err := load(arguments[1:])
		if err != nil {
			return err
		}
		return self.serve(arguments[4])
	default:
		return errors.New("usage: spiffe get CERT KEY ROOTS ADDRESS SPIFFE_ID PATH, or spiffe serve CERT KEY ROOTS ADDRESS SPIFFE_ID")
	}
}

// Reads CERT KEY ROOTS ADDRESS SPIFFE_ID.
func load(arguments []string) (*party, error) {
	svid, err := x509svid.Load(arguments[0], arguments[1])
	if err != nil {
		return nil, err
	}
	peer, err := spiffeid.FromString(arguments[4])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arguments[4], err)
	}
	trusted, err := x509bundle.Load(peer.TrustDomain(), arguments[2])
	if err != nil {
		return nil, err
	}
	return &party{svid, trusted, peer}, nil
}

func (self *party) get(address, path string) error {
	config := tlsconfig.MTLSClientConfig(self.svid, self.trusted, tlsconfig.AuthorizeID(self.peer))
	config.NextProtos = []string{protocol}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// A server's refusal comes with TLS 1.3 only after the handshake, when something is read.
	dialed, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	defer dialed.Close()
	connection := dialed.(*tls.Conn)
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	request.Close = true
	if err := request.Write(connection); err != nil {
		return fmt.Errorf("%s: writing the request: %w", address, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return fmt.Errorf("%s: reading the answer: %w", address, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return fmt.Errorf("%s: reading the body: %w", address, err)
	}
	words, err := describe(connection.ConnectionState())
	if err != nil {
		return err
	}
	fmt.Printf("%s\nstatus=%d\n%s\n", words, response.StatusCode, body)
	return nil
}

func (self *party) serve(address string) error {
	authorize := tlsconfig.AuthorizeID(self.peer)
	config := tlsconfig.MTLSServerConfig(self.svid, self.trusted, func(actual spiffeid.ID, chains [][]*x509.Certificate) error {
		err := authorize(actual, chains)
		if err != nil {
			fmt.Println("refused:", err)
		}
		return err
	})
	config.NextProtos = []string{protocol}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(answer),
		ReadHeaderTimeout: patience,
		ConnContext: func(ctx context.Context, connection net.Conn) context.Context {
			return context.WithValue(ctx, key{}, connection)
		},
	}
	fmt.Println("listening")
	return server.Serve(unseen{tls.NewListener(listener, config)})
}

// The key of a request's connection in its context.
type key struct{}

// A listener whose connections do not show that they are TLS: Go's server hangs up where it doesn't know the
// protocol's name.
type unseen struct{ net.Listener }

type connection struct{ net.Conn }

func (listener unseen) Accept() (net.Conn, error) {
	accepted, err := listener.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return connection{accepted}, nil
}

func answer(writer http.ResponseWriter, request *http.Request) {
	state := request.Context().Value(key{}).(connection).Conn.(*tls.Conn).ConnectionState()
	words, err := describe(state)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(writer, "%s\npath=%s\n", words, request.URL.Path)
}

// The version of TLS, the protocol in it, and the ID of the other end.
func describe(state tls.ConnectionState) (string, error) {
	peer, err := x509svid.IDFromCert(state.PeerCertificates[0])
	if err != nil {
		return "", err
	}
	version := tls.VersionName(state.Version)
	return fmt.Sprintf("version=%s\nalpn=%s\npeer=%s", version, state.NegotiatedProtocol, peer), nil
}
