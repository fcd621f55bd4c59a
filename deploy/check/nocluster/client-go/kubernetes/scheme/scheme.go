// Package scheme has what Helm's chartutil names of k8s.io/client-go/kubernetes/scheme. It
// registers nothing: the chart asks for no capabilities, which a check holds it to.
package scheme

import "k8s.io/apimachinery/pkg/runtime"

// Scheme knows no type.
var Scheme = runtime.NewScheme()
