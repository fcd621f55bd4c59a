package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// simulated is what both simulated platforms can do.
type simulated interface {
	http.Handler
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
	Counters() sandbox.Counters
	SetPlan(plan []sandbox.PlannedFault)
	RevokeTokens(revoked bool)
	Pending() int
	Close()
}

// site is one simulated platform with the accounts on it.
type site struct {
	name     string
	platform string
	quiet    bool // no faults of its own
	simulated
	rules []sandbox.ItemRule
	calls *rig.Interceptor
}

// patience is how long a call without an answer is kept; what was accepted is
// applied all the same. lateBy is how much later than others a platform applies a
// POST that it never answered: so much that the worker has long sent it again. Both
// together stay well below settle.
const (
	patience = 600 * time.Millisecond
	lateBy   = 2 * time.Second
)

// What the account gamma-pinterest asks for access tokens with.
const (
	oauthClient   = "trial"
	oauthSecret   = "canary-secret-5e20b7"
	oauthRefresh  = "canary-refresh-81c4aa"
	oauthLife     = time.Hour
	encryptionKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" // of this run only
)

const (
	pinterestSite, metaSite           = "pinterest", "meta"
	quietPinterestSite, quietMetaSite = "quiet-pinterest", "quiet-meta"
)

func newSites(seed uint64, tokens []string) []*site {
	options := sandbox.Options{
		Seed: seed, Tokens: tokens, Delay: 20 * time.Millisecond, Jitter: 80 * time.Millisecond, LateBy: lateBy,
	}
	refused := sandbox.ItemRule{Contains: "SKU-0007", Action: sandbox.RefuseItem}
	pinterest := options
	// Refresh tokens are not rotated here: an older copy of Postgres would hold one
	// that is taken no more, and only a person can give another.
	pinterest.OAuth = sandbox.OAuth{ClientID: oauthClient, ClientSecret: oauthSecret, RefreshToken: oauthRefresh, Life: oauthLife}
	pinterest.Rules = []sandbox.ItemRule{refused, {Contains: "SKU-0013", Action: sandbox.OmitItem, Times: 2}}
	// Meta names no successes: an item missing in its answer looks like a refusal.
	// It shows only two of the errors instead, so that others must be found out.
	meta := options
	meta.Rules, meta.ErrorSample, meta.HideIDs = []sandbox.ItemRule{refused}, 2, true
	return []*site{
		{name: pinterestSite, platform: "pinterest", simulated: pinterestsim.New(pinterest), rules: pinterest.Rules},
		{name: metaSite, platform: "meta", simulated: metasim.New(meta), rules: meta.Rules},
		{name: quietPinterestSite, platform: "pinterest", quiet: true, simulated: pinterestsim.New(options)},
		{name: quietMetaSite, platform: "meta", quiet: true, simulated: metasim.New(options)},
	}
}

// everyday are the faults that happen all the time on the sites that are not quiet.
func everyday() []sandbox.PlannedFault {
	return []sandbox.PlannedFault{
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.Hang}, Rate: 0.01},
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ResetAfter}, Rate: 0.01},
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.Reset}, Rate: 0.01},
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ServerErrorAfter}, Rate: 0.01},
		{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.ServerError}, Rate: 0.01},
		{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.LostHandle}, Rate: 0.005},
	}
}

// platforms serves all sites on one address, at /<site>/from-<worker>/.
type platforms struct {
	sites   []*site
	address string
	end     func() error
}

func servePlatforms(ctx context.Context, sites []*site) (*platforms, error) {
	p, mux := &platforms{sites: sites}, http.NewServeMux()
	for _, s := range sites {
		s.calls = rig.NewInterceptor(s.simulated, "/"+s.name)
		s.calls.SetTimeout(patience)
		mux.Handle("/"+s.name+"/", http.StripPrefix("/"+s.name, s.calls))
	}
	var err error
	p.address, p.end, err = rig.Serve(ctx, mux)
	return p, err
}

func (p *platforms) close() error {
	for _, s := range p.sites {
		s.Close()
	}
	return p.end()
}

func (p *platforms) site(name string) *site {
	for _, s := range p.sites {
		if s.name == name {
			return s
		}
	}
	return nil
}

// onTaken shows every POST that a site has accepted to look, with the worker that sent
// it; false breaks the connection instead of answering. nil ends that.
func (p *platforms) onTaken(look func(worker string) (deliver bool)) {
	var show func(rig.Answered) bool
	if look != nil {
		show = func(a rig.Answered) bool { return !hasHandle(a.Body) || look(a.Worker) }
	}
	for _, s := range p.sites {
		s.calls.OnAnswer(show)
	}
}

// hasHandle reports that an answer to a POST names a batch.
func hasHandle(body []byte) bool {
	return gjson.GetBytes(body, "batch_id").Str != "" || gjson.GetBytes(body, "handles.0").Str != ""
}
