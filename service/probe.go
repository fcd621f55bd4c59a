package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

const (
	// probeTimeout bounds the test of one account, and probesAtOnce how many are tested at
	// the same time.
	probeTimeout = lookTimeout
	probesAtOnce = 8
)

// AccountProbed is what the test of an account found.
type AccountProbed struct {
	Account  string
	Platform string // its title
	platform.Probed
}

// ProbePlatforms tests every account against its platform, by calls that only read: in the
// order of the accounts. An access token that has expired is renewed, as a worker does.
func ProbePlatforms(ctx context.Context, c *config.Config, platforms []platform.Descriptor) ([]AccountProbed, error) {
	used, store, end := usedLanes(ctx, c)
	defer end()
	var kept credential.Store // nil where the database does not answer
	if store != nil {
		kept = store
	}
	credentials, err := newCredentials(c, platforms, kept, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer credentials.transport.CloseIdleConnections()
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own
	defer transport.CloseIdleConnections()

	names := c.AccountNames()
	found := make([][]AccountProbed, len(names))
	free := make(chan struct{}, probesAtOnce)
	var probing sync.WaitGroup
	for i, name := range names {
		free <- struct{}{}
		probing.Go(func() {
			defer func() { <-free }()
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			descriptor, _ := platform.Find(platforms, c.Accounts[name].Platform)
			source := credentials.byAccount[name]
			if c.Accounts[name].ClientID != "" && kept == nil {
				source = unread{source}
			}
			for _, probed := range probeAccount(ctx, c.Accounts[name], platforms, source, transport, used[name]) {
				found[i] = append(found[i], AccountProbed{Account: name, Platform: cmp.Or(descriptor.Title, c.Accounts[name].Platform), Probed: probed})
			}
		})
	}
	probing.Wait()
	return slices.Concat(found...), nil
}

// unread is the source of a token that is kept in a database that does not answer.
type unread struct{ credential.Source }

// Token implements credential.Source.
func (unread) Token(context.Context) (string, error) {
	return "", errors.New("it is kept in the database, which does not answer")
}

func probeAccount(
	ctx context.Context, settings config.Account, platforms []platform.Descriptor, source credential.Source, transport http.RoundTripper,
	used map[string][]catalog.Type,
) []platform.Probed {
	// A token that is refused is told, not renewed: that is the workers' to do.
	account, err := newAccount(settings, platforms, patient{source}, &http.Client{Transport: transport, Timeout: probeTimeout})
	if err != nil {
		return []platform.Probed{{Check: platform.ProbeConnection, Problem: err.Error()}}
	}
	prober, able := account.Client.(platform.Prober)
	if !able {
		return []platform.Probed{{Check: platform.ProbeConnection, Warning: "accounts of this platform cannot be tested"}}
	}
	return prober.Probe(ctx, used)
}

// patient is a source that is not told of refused tokens.
type patient struct{ credential.Source }

// Refused implements credential.Source.
func (patient) Refused(string) {}

// usedLanes are the item types that were sent to each catalog of each account, and the ledger
// they are from; nil where there is none that answers.
func usedLanes(ctx context.Context, c *config.Config) (used map[string]map[string][]catalog.Type, store *persistence.Store, end func()) {
	end = func() {}
	if c.Database.URL.IsZero() {
		return nil, nil, end
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: c.Database.URL.Reveal(), MaxConns: 2, ApplicationName: "catalog-courier check"})
	if err != nil {
		return nil, nil, end
	}
	opened, err := persistence.NewStore(pool, persistence.Config{Timeout: lookTimeout})
	if err != nil {
		persistence.ClosePool(pool)
		return nil, nil, end
	}
	end = func() {
		opened.Close()
		persistence.ClosePool(pool)
	}
	lanes, err := opened.UsedLanes(ctx)
	if err != nil {
		return nil, nil, end
	}
	used = map[string]map[string][]catalog.Type{}
	for _, lane := range lanes {
		if used[lane.Account] == nil {
			used[lane.Account] = map[string][]catalog.Type{}
		}
		used[lane.Account][lane.Catalog] = append(used[lane.Account][lane.Catalog], lane.Type)
	}
	return used, opened, end
}

// Name is what the finding is called for people.
func (p *AccountProbed) Name() string {
	name := fmt.Sprintf("%s %s", p.Account, p.Check)
	if p.Catalog != "" {
		name += " " + p.Catalog
	}
	return name
}
