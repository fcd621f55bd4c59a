// Package discovery has what Helm's engine names of k8s.io/client-go/discovery.
package discovery

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Client would ask a cluster what it knows.
type Client struct{}

// ServerResourcesForGroupVersion is never reached, as there is no client.
func (*Client) ServerResourcesForGroupVersion(string) (*metav1.APIResourceList, error) {
	return nil, errNoCluster
}

// NewDiscoveryClientForConfig fails: there is no cluster.
func NewDiscoveryClientForConfig(*rest.Config) (*Client, error) { return nil, errNoCluster }

var errNoCluster = errors.New("there is no cluster here")
