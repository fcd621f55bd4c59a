package meta

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

var _ platform.Prober = (*account)(nil)

// writePermission is what a token needs to write to catalogs (Catalog Batch API, 2026-09).
const writePermission = "catalog_management"

// noObject is the subcode of an object that does not exist, or that the token may not read.
const noObject = 33

// verticals are the verticals of the catalogs that take an item type.
// Source: Meta's page Catalog item types, 2026-09.
func verticals() map[catalog.Type]string {
	return map[catalog.Type]string{
		"PRODUCT_ITEM": "commerce", "STORE_PRODUCT_ITEM": "commerce", "HOTEL": "hotels", "HOTEL_ROOM": "hotels", "FLIGHT": "flights",
		"DESTINATION": "destinations", "HOME_LISTING": "home_listings", "VEHICLE": "vehicles", "VEHICLE_OFFER": "vehicle_offers",
		"APP_AND_SOFTWARE": "apps_and_software", "MEDIA_TITLE": "media_titles",
	}
}

// Probe implements platform.Prober. It reads the token's permissions and each catalog.
// Source: Graph API, /me/permissions and ProductCatalog (fields id, name, vertical, business).
func (a *account) Probe(ctx context.Context, used map[string][]catalog.Type) []platform.Probed {
	probed, answers := a.probePermissions(ctx)
	for i := range probed {
		if probed[i].Check != platform.ProbePermission && probed[i].Problem != "" {
			return probed // no other call would tell more
		}
	}
	asked := map[string]platform.Probed{} // by catalog id: several names may have one
	taken := map[string]string{}          // verticals
	for _, name := range slices.Sorted(maps.Keys(a.catalogs)) {
		id := a.catalogs[name].CatalogID
		found, known := asked[id]
		if !known {
			var answer *rest.Answer
			found, taken[id], answer = a.probeCatalog(ctx, id)
			if asked[id] = found; answer != nil {
				answers = append(answers, answer)
			}
		}
		found.Catalog = name
		probed = append(probed, found)
		if found.Problem == "" {
			probed = append(probed, probeVertical(name, a.catalogs[name], taken[id], used[name])...)
		}
	}
	return append(probed, a.quotaLeft(answers)...)
}

// look makes a call that only reads. The problem is that of an answer that is not a good one;
// about is the question that the call is to answer.
func (a *account) look(ctx context.Context, operation, path string, about platform.ProbeCheck) (gjson.Result, *rest.Answer, *platform.Probed) {
	call := rest.Call{Operation: operation, Method: http.MethodGet, URL: a.base + path}
	answer, failure := a.rest.Do(ctx, call)
	if failure != nil {
		check := platform.ProbeConnection
		if failure.Scope == platform.ScopeAccount {
			check = platform.ProbeToken // there is none
		}
		return gjson.Result{}, nil, &platform.Probed{Check: check, Problem: failure.Error()}
	}
	value, isJSON := rest.Parse(answer.Body)
	said := saidIn(value)
	switch {
	case !isGood(answer) || said.isError:
		row := failureOf(call.Method, answer.Status, said)
		refused := answer.Refusal(call, []rest.Rule{row.alone()}, said.Said)
		return value, answer, explained(refused, about)
	case !isJSON:
		return value, answer, &platform.Probed{Check: platform.ProbeConnection, Problem: answer.Unreadable(call, "the answer is not JSON").Error()}
	default:
		return value, answer, nil
	}
}

// explained says in plain words what a refused look means.
func explained(refused *platform.Error, about platform.ProbeCheck) *platform.Probed {
	code := refused.Code
	switch {
	case code == 190 || code == 102 || code == 450 || code == 452 || refused.HTTPStatus == http.StatusUnauthorized:
		return &platform.Probed{Check: platform.ProbeToken, Problem: "Meta rejected the access token: " + refused.Error()}
	case strings.Contains(refused.Message, "appsecret_proof"):
		return &platform.Probed{Check: platform.ProbeToken, Problem: "Meta rejected the app_secret: " + refused.Error()}
	case refused.Scope == platform.ScopeQuota:
		return &platform.Probed{Check: platform.ProbeQuota, Problem: "the quota is used up: " + refused.Error()}
	case code == 10 || code == 3 || code == 294 || code >= 200 && code <= 299 || refused.HTTPStatus == http.StatusForbidden:
		return &platform.Probed{Check: platform.ProbePermission, Problem: "the token lacks a permission; writing to catalogs needs " + writePermission + ": " + refused.Error()}
	case code == codeBadParameter && (refused.Subcode == noObject || about == platform.ProbeCatalog):
		return &platform.Probed{Check: about, Problem: "the catalog does not exist, or its business gave the token's user no access to it: " + refused.Error()}
	default:
		return &platform.Probed{Check: platform.ProbeConnection, Problem: refused.Error()}
	}
}

// probePermissions reads what the token may do.
func (a *account) probePermissions(ctx context.Context) ([]platform.Probed, []*rest.Answer) {
	value, answer, problem := a.look(ctx, "GET me/permissions", "/me/permissions", platform.ProbePermission)
	if problem != nil {
		return []platform.Probed{*problem}, nil
	}
	var granted []string
	for _, one := range value.Get("data").Array() {
		if one.Get("status").String() == "granted" {
			granted = append(granted, answer.Redact(one.Get("permission").String()))
		}
	}
	probed := platform.Probed{Check: platform.ProbePermission, Detail: strings.Join(granted[:min(len(granted), 20)], ", ")}
	if !slices.Contains(granted, writePermission) {
		probed.Problem = "the token has not the permission " + writePermission
	}
	return []platform.Probed{{Check: platform.ProbeToken}, probed}, []*rest.Answer{answer}
}

// probeCatalog reads a catalog.
func (a *account) probeCatalog(ctx context.Context, id string) (probed platform.Probed, vertical string, answer *rest.Answer) {
	value, answer, problem := a.look(ctx, "GET catalog "+id, "/"+id+"?fields=id,name,vertical,business", platform.ProbeCatalog)
	if problem != nil {
		return *problem, "", answer
	}
	vertical = answer.Redact(value.Get("vertical").String())
	detail := fmt.Sprintf("%s %.64q %s", id, answer.Redact(value.Get("name").String()), vertical)
	if business := answer.Redact(value.Get("business.name").String()); business != "" {
		detail += fmt.Sprintf(", of business %.64q", business)
	}
	return platform.Probed{Check: platform.ProbeCatalog, Detail: detail}, vertical, answer
}

// probeVertical compares the vertical of a catalog with what is sent to it.
func probeVertical(name string, settings catalogSettings, vertical string, used []catalog.Type) (probed []platform.Probed) {
	if vertical == "" {
		return nil
	}
	if settings.Endpoint == legacyBatchEdge && vertical != "commerce" {
		return []platform.Probed{{Check: platform.ProbeVertical, Catalog: name, Problem: "endpoint: batch needs a catalog of the vertical commerce, and this one is of " + vertical}}
	}
	wants := verticals()
	for _, itemType := range used {
		if wants[itemType] != vertical {
			probed = append(probed, platform.Probed{Check: platform.ProbeVertical, Catalog: name, Problem: fmt.Sprintf(
				"%s items were sent to it, which need a catalog of the vertical %s; this one is of %s", itemType, wants[itemType], vertical)})
		}
	}
	return probed
}

// quotaLeft is what the answers to looks told of the quotas, the worst of each.
func (a *account) quotaLeft(answers []*rest.Answer) []platform.Probed {
	var told []platform.Quota
	names := scopes{batch: "catalog batch", management: "catalog management", app: "app", window: a.window}
	for _, answer := range answers {
		for _, quota := range quotas(answer.Header, names, names.management, time.Now()) {
			told = merge(told, quota)
		}
	}
	left := make([]platform.Probed, 0, len(told))
	for _, quota := range told {
		one := platform.Probed{Check: platform.ProbeQuota}
		if quota.UsedPercent >= 0 {
			one.Detail = fmt.Sprintf("%.0f%% of the quota %q is used", quota.UsedPercent, quota.Scope)
		}
		if quota.Block > 0 {
			one.Warning = fmt.Sprintf("the quota %q is used up for %s", quota.Scope, quota.Block)
		}
		left = append(left, one)
	}
	return left
}
