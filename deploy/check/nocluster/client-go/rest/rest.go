// Package rest has what Helm's engine names of k8s.io/client-go/rest. The checks render
// charts without a cluster, and the real client is most of what would have to be compiled.
package rest

// Config would say how a cluster is reached.
type Config struct{}
