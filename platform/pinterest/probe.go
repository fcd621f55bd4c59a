package pinterest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

var _ platform.Prober = (*account)(nil)

const (
	// maxPages bounds how much of the list of catalogs is read, pageSize is the largest page
	// (OpenAPI 5.13.0, query_page_size).
	maxPages = 4
	pageSize = "250"
	// maxNamed bounds how many catalogs are named in a message.
	maxNamed = 20
)

// owned is a catalog in Pinterest's list.
type owned struct{ id, name, itemType string }

// Probe implements platform.Prober. It lists the catalogs of the account, which needs the
// scope catalogs:read. Nothing that only reads tells whether the token has catalogs:write.
// Source: OpenAPI 5.13.0, catalogs/list.
func (a *account) Probe(ctx context.Context, used map[string][]catalog.Type) []platform.Probed {
	if a.userless {
		return a.probeUserless(ctx)
	}
	catalogs, answer, problem := a.client.list(ctx)
	if problem != nil {
		return []platform.Probed{*problem}
	}
	probed := []platform.Probed{
		{Check: platform.ProbeToken},
		{Check: platform.ProbePermission, Detail: "catalogs:read; the first batch shows whether catalogs:write is granted"},
	}
	for _, name := range slices.Sorted(maps.Keys(a.catalogs)) {
		probed = append(probed, probeCatalog(name, a.catalogs[name], catalogs, used[name])...)
	}
	return append(probed, a.client.quotaLeft(answer)...)
}

// list reads the catalogs of the account. The answer is the last one.
func (c *client) list(ctx context.Context) (catalogs []owned, answer *rest.Answer, problem *platform.Probed) {
	bookmark := ""
	for range maxPages {
		address := c.base + "/catalogs?" + url.Values{"page_size": {pageSize}}.Encode()
		if c.adAccount != "" {
			address += "&ad_account_id=" + c.adAccount
		}
		if bookmark != "" {
			address += "&bookmark=" + url.QueryEscape(bookmark)
		}
		var value gjson.Result
		if value, answer, problem = c.look(ctx, rest.Call{Operation: "GET catalogs", Method: http.MethodGet, URL: address}); problem != nil {
			return nil, answer, problem
		}
		for _, one := range value.Get("items").Array() {
			catalogs = append(catalogs, owned{one.Get("id").String(), answer.Redact(one.Get("name").String()), one.Get("catalog_type").String()})
		}
		if bookmark = value.Get("bookmark").String(); bookmark == "" {
			break
		}
	}
	return catalogs, answer, nil
}

// look makes a call that only reads. The problem is that of an answer that is not a good one.
func (c *client) look(ctx context.Context, call rest.Call) (gjson.Result, *rest.Answer, *platform.Probed) {
	answer, failure := c.rest.Do(ctx, call)
	if failure != nil {
		return gjson.Result{}, nil, &platform.Probed{Check: checkOf(failure), Problem: failure.Error()}
	}
	value, isJSON := rest.Parse(answer.Body)
	said := saidIn(value)
	if !isGood(answer) || said.isError {
		refused, _ := refusal(answer, call, said, c.read)
		return value, answer, explained(refused)
	}
	if !isJSON {
		return value, answer, &platform.Probed{Check: platform.ProbeConnection, Problem: answer.Unreadable(call, "the answer is not JSON").Error()}
	}
	return value, answer, nil
}

// checkOf is the question that a call without an answer leaves open.
func checkOf(failure *platform.Error) platform.ProbeCheck {
	if failure.Scope == platform.ScopeAccount {
		return platform.ProbeToken // there is none
	}
	return platform.ProbeConnection
}

// explained says in plain words what a refused look means.
func explained(refused *platform.Error) *platform.Probed {
	switch {
	case refused.HTTPStatus == http.StatusUnauthorized || refused.Code == 2:
		return &platform.Probed{Check: platform.ProbeToken, Problem: "Pinterest rejected the access token: " + refused.Error()}
	case refused.Scope == platform.ScopeQuota:
		return &platform.Probed{Check: platform.ProbeQuota, Problem: "the quota is used up: " + refused.Error()}
	case refused.HTTPStatus == http.StatusForbidden:
		return &platform.Probed{Check: platform.ProbePermission, Problem: "the token may not read the catalogs: it needs the scopes catalogs:read and catalogs:write, " +
			"and with ad_account_id the role Owner, Admin or Catalogs Manager: " + refused.Error()}
	default:
		return &platform.Probed{Check: platform.ProbeConnection, Problem: refused.Error()}
	}
}

// probeCatalog looks for a configured catalog among those of the account.
func probeCatalog(name string, settings catalogSettings, catalogs []owned, used []catalog.Type) []platform.Probed {
	if settings.CatalogID == "" {
		return probeOldest(name, settings, catalogs, used)
	}
	at := slices.IndexFunc(catalogs, func(one owned) bool { return one.id == settings.CatalogID })
	if at < 0 {
		return []platform.Probed{{Check: platform.ProbeCatalog, Catalog: name, Problem: fmt.Sprintf(
			"the account has no catalog with the id %s; it has %s", settings.CatalogID, named(catalogs))}}
	}
	one := catalogs[at]
	probed := []platform.Probed{{Check: platform.ProbeCatalog, Catalog: name, Detail: describe(one)}}
	for _, itemType := range used {
		if one.itemType != "" && catalogTypeOf(itemType) != one.itemType {
			probed = append(probed, platform.Probed{Check: platform.ProbeVertical, Catalog: name, Problem: fmt.Sprintf(
				"%s items were sent to it, and catalog %s takes %s only", itemType, one.id, one.itemType)})
		}
	}
	return probed
}

// probeOldest looks whether the account has a catalog of each type that is sent to its oldest
// one.
func probeOldest(name string, settings catalogSettings, catalogs []owned, used []catalog.Type) []platform.Probed {
	if settings.Body == bodyLegacy {
		used = []catalog.Type{legacyType}
	}
	var probed []platform.Probed
	for _, itemType := range used {
		if !slices.ContainsFunc(catalogs, func(one owned) bool { return one.itemType == catalogTypeOf(itemType) }) {
			probed = append(probed, platform.Probed{Check: platform.ProbeCatalog, Catalog: name, Problem: fmt.Sprintf(
				"the account has no catalog for %s items; it has %s", itemType, named(catalogs))})
		}
	}
	if len(probed) > 0 {
		return probed
	}
	return []platform.Probed{{Check: platform.ProbeCatalog, Catalog: name, Detail: "the oldest of its type; the account has " + named(catalogs)}}
}

// catalogTypeOf is the type of the catalogs that hold the items.
func catalogTypeOf(itemType catalog.Type) string {
	if itemType == localInventory {
		return "RETAIL"
	}
	return string(itemType)
}

func describe(one owned) string {
	return strings.TrimSpace(fmt.Sprintf("%s %.64q %s", one.id, one.name, one.itemType))
}

func named(catalogs []owned) string {
	if len(catalogs) == 0 {
		return "none"
	}
	list := make([]string, 0, maxNamed+1)
	for i, one := range catalogs {
		if i == maxNamed {
			list = append(list, "…")
			break
		}
		list = append(list, describe(one))
	}
	return strings.Join(list, ", ")
}

// probeUserless tests a token of the app itself, which cannot list catalogs, by asking for a
// batch that there is not.
func (a *account) probeUserless(ctx context.Context) []platform.Probed {
	call := rest.Call{Operation: "GET catalogs/items/batch", Method: http.MethodGet, URL: a.client.address("/catalogs/items/batch/0")}
	answer, failure := a.client.rest.Do(ctx, call)
	if failure != nil {
		return []platform.Probed{{Check: checkOf(failure), Problem: failure.Error()}}
	}
	value, _ := rest.Parse(answer.Body)
	refused, lost := refusal(answer, call, saidIn(value), a.client.read)
	if !isGood(answer) && !lost {
		return []platform.Probed{*explained(refused)}
	}
	return append([]platform.Probed{
		{Check: platform.ProbeToken},
		{Check: platform.ProbeCatalog, Warning: "the catalogs cannot be listed with a token of the app itself: the first batch shows whether they exist"},
	}, a.client.quotaLeft(answer)...)
}

// quotaLeft is what the answer to a look told of the quota for reading.
func (c *client) quotaLeft(answer *rest.Answer) []platform.Probed {
	var left []platform.Probed
	for _, quota := range quotas(answer, c.read, time.Now()) {
		if quota.Limit > 0 && quota.Remaining >= 0 {
			left = append(left, platform.Probed{Check: platform.ProbeQuota, Detail: fmt.Sprintf(
				"%d of %d reads are left, within %s", quota.Remaining, quota.Limit, cmp.Or(quota.Window, quota.Reset))})
		}
	}
	return left
}
