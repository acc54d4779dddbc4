// The program here is ours, and the library that it is built on is not: go-spiffe, the SPIFFE project's own for Go.
module pillion.io/hack/go/spiffe

go 1.26.0

require github.com/spiffe/go-spiffe/v2 v2.9.0
