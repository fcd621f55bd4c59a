// Package status is the read model: what became of items, mutations and batches, and how
// accounts, sources and workers are. Commands, the console's pages and its JSON API all show
// these types, so that they never disagree.
//
// It reads views only: a database role that may read nothing else is enough.
package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// ErrNotFound says that nothing is recorded under an id or key.
var ErrNotFound = errors.New("nothing is recorded")

// DefaultTimeout bounds one call.
const DefaultTimeout = 10 * time.Second

// DefaultPage and MaxPage bound a list.
const (
	DefaultPage = 50
	MaxPage     = 1000
)

// Config is what a Reader may be given.
type Config struct {
	// Timeout bounds each call. Zero means DefaultTimeout.
	Timeout time.Duration
	// Advice says what to do about an error of an item, "" for nothing. platform is the
	// platform's name, such as pinterest, and "" where it is not known. Nil gives no advice.
	Advice func(platform string, issue Issue) string
	// Encode puts a request together, as it was made of the records: see Encoder. Nil where
	// requests cannot be shown, as they depend on the configuration of the accounts.
	Encode Encoder
}

// Encoder puts the body of POST number attempt (from 1) of a batch together. The records have
// their mutations, and no Change yet; only, when not nil, lists those that the body is to
// have. The error says why it cannot, such as an account that is no longer configured.
type Encoder func(lane catalog.Lane, group string, records []catalog.Record, only []int, attempt int) ([]byte, error)

// Reader answers questions about what is recorded. It is safe for concurrent use.
type Reader struct {
	pool   *pgxpool.Pool
	query  *query.Queries
	config Config
}

// NewReader reads through the pool, which stays the caller's.
func NewReader(pool *pgxpool.Pool, config Config) *Reader {
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	return &Reader{pool: pool, query: query.New(pool), config: config}
}

// bounded gives a call its time.
func (r *Reader) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.config.Timeout)
}

// page is a limit within its bounds.
func page(limit int) int32 {
	return int32(min(max(cmp.Or(limit, DefaultPage), 1), MaxPage))
}

// read says what could not be read, and has ErrNotFound for what is not there.
func read(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w of %s", ErrNotFound, what)
	default:
		return fmt.Errorf("reading %s: %w", what, err)
	}
}

// Destination is a catalog type of a catalog of an account.
type Destination struct {
	Account string `json:"account"`
	Catalog string `json:"catalog"`
	Type    string `json:"catalog_type"`
}

// Lane is the destination as the domain names it.
func (d Destination) Lane() catalog.Lane {
	return catalog.Lane{Account: d.Account, Catalog: d.Catalog, Type: catalog.Type(d.Type)}
}

// String is account/catalog/type.
func (d Destination) String() string { return d.Account + "/" + d.Catalog + "/" + d.Type }

// Filter narrows a question to destinations; empty fields choose all.
type Filter struct {
	Account string
	Catalog string
	Type    string
}
