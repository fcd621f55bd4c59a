package platform

import (
	"context"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Prober is an Account that can be tested without changing anything: "worker check
// --platforms".
type Prober interface {
	// Probe makes calls that only read, and says what each told. used are the item types
	// that were sent to each catalog, by its name: none where that is not known. It ends
	// with ctx, or after a few calls for each catalog.
	Probe(ctx context.Context, used map[string][]catalog.Type) []Probed
}

// ProbeCheck names a question about an account. The names are stable.
type ProbeCheck string

// The questions.
const (
	ProbeConnection ProbeCheck = "connection" // whether the platform answers
	ProbeToken      ProbeCheck = "token"      // whether it takes the access token
	ProbePermission ProbeCheck = "permission" // whether the token may read and write catalogs
	ProbeCatalog    ProbeCheck = "catalog"    // whether a configured catalog exists and is the account's
	ProbeVertical   ProbeCheck = "vertical"   // whether the catalog takes the item types that are sent to it
	ProbeQuota      ProbeCheck = "quota"      // how much of the quota is left
)

// Probed is the answer to a question about an account. It holds no secret.
type Probed struct {
	Check ProbeCheck
	// Catalog is the name of the catalog that it is about; "" for the whole account.
	Catalog string
	// Detail is what was found, Warning what keeps nothing from working, and Problem what is
	// wrong; "" for nothing.
	Detail  string
	Warning string
	Problem string
}
