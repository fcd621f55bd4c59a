package meta

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// maxUsages bounds what is read of a header; Meta lists up to 32 objects.
const maxUsages = 64

// quotas reads X-Business-Use-Case-Usage and X-App-Usage: counters in percent of
// the quota, and the wait in minutes. own is the scope of the call.
func quotas(header http.Header, names scopes, own string, now time.Time) []platform.Quota {
	var told []platform.Quota
	if usage, ok := appUsage(header.Get("X-App-Usage"), names); ok {
		told = append(told, usage)
	}
	told = append(told, businessUsage(header.Get("X-Business-Use-Case-Usage"), names, own)...)
	if wait := rest.RetryAfter(header, now); wait > 0 {
		told = merge(told, platform.Quota{Scope: own, Limit: -1, Remaining: -1, UsedPercent: -1, Block: wait})
	}
	return told
}

// defaultWindow is what the percentages are of: a rolling hour (Rate limits, 2026-09).
// No answer says it.
const defaultWindow = time.Hour

func appUsage(value string, names scopes) (platform.Quota, bool) {
	read, ok := rest.Parse([]byte(value))
	if !ok || !read.IsObject() {
		return platform.Quota{}, false
	}
	return names.usage(read, names.app), true
}

// businessUsage reads {"<business object>":[{"type","call_count",…}]}. The type of
// the catalog quotas is not in Meta's list of types; secondary sources write
// catalog_batch and catalog_management. If no entry is called so, all are taken to
// be about the call's own quota; else the others are about other products.
func businessUsage(value string, names scopes, own string) []platform.Quota {
	read, ok := rest.Parse([]byte(value))
	if !ok {
		return nil
	}
	var ours, others []platform.Quota
	seen := 0
	read.ForEach(func(_, entries gjson.Result) bool {
		entries.ForEach(func(_, entry gjson.Result) bool {
			if seen++; seen > maxUsages {
				return false
			}
			kind := strings.ToLower(entry.Get("type").String())
			switch {
			case !entry.IsObject():
			case strings.Contains(kind, "catalog_batch"):
				ours = merge(ours, names.usage(entry, names.batch))
			case strings.Contains(kind, "catalog_management"):
				ours = merge(ours, names.usage(entry, names.management))
			default:
				others = merge(others, names.usage(entry, own))
			}
			return true
		})
		return seen <= maxUsages
	})
	if len(ours) > 0 {
		return ours
	}
	return others
}

// usage reads one set of counters. The highest decides: calls are refused when
// any of them reaches 100.
func (s scopes) usage(entry gjson.Result, scope string) platform.Quota {
	quota := platform.Quota{Scope: scope, Limit: -1, Remaining: -1, UsedPercent: -1, Window: s.window}
	for _, counter := range []string{"call_count", "total_cputime", "total_time"} {
		if value := entry.Get(counter); value.Exists() {
			quota.UsedPercent = max(quota.UsedPercent, value.Float())
		}
	}
	const secondsPerMinute = 60
	quota.Block = rest.Seconds(entry.Get("estimated_time_to_regain_access").Float() * secondsPerMinute)
	return quota
}

// merge adds what was reported of a scope to what is known: the worse counts. Meta reports
// one window of a scope.
func merge(told []platform.Quota, more platform.Quota) []platform.Quota {
	for i := range told {
		if told[i].Scope == more.Scope {
			told[i].UsedPercent = max(told[i].UsedPercent, more.UsedPercent)
			told[i].Block = max(told[i].Block, more.Block)
			return told
		}
	}
	return append(told, more)
}

// usedUp makes sure that the quotas of a refusal say that the scope is used up, and
// returns how long it is.
func (s scopes) usedUp(told []platform.Quota, scope string, retryAfter time.Duration) ([]platform.Quota, time.Duration) {
	told = merge(told, platform.Quota{Scope: scope, Limit: -1, Remaining: -1, UsedPercent: 100, Window: s.window, Block: retryAfter})
	for _, quota := range told {
		if quota.Scope == scope {
			return told, max(retryAfter, quota.Block)
		}
	}
	return told, retryAfter
}
