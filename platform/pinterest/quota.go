package pinterest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// maxPolicies bounds what is read of a header: three are seen in practice.
const maxPolicies = 8

// policy is one limit of "x-ratelimit-limit: 100, 100;w=1, 1000;w=60".
type policy struct {
	limit  int
	window time.Duration
}

// scopes are the quotas that a call draws on: its category's, of a user and an app,
// and the app's over all calls, such as the 1,000 a day of trial access.
type scopes struct{ category, app string }

func (s scopes) names() []string { return []string{s.category, s.app} }

// of finds whose a limit is: trial access has a day's limits, per app; all others are
// of seconds and minutes (Pinterest's page Rate limits). No answer says it.
func (s scopes) of(window, reset time.Duration) string {
	const day = 24 * time.Hour
	if window >= day || reset > time.Hour {
		return s.app
	}
	return s.category
}

// quotas reads the rate limit headers of an answer: limit and policies, remaining,
// and reset in seconds. The limit that applies now comes last.
func quotas(answer *rest.Answer, names scopes, now time.Time) []platform.Quota {
	return parseQuotas(answer.Header, names, rest.RetryAfter(answer.Header, now))
}

func parseQuotas(header http.Header, names scopes, retryAfter time.Duration) []platform.Quota {
	current, policies := parseLimit(strings.Join(header.Values("X-Ratelimit-Limit"), ","))
	now := platform.Quota{Limit: current, Remaining: -1, UsedPercent: -1}
	if remaining, err := strconv.Atoi(firstField(header.Get("X-Ratelimit-Remaining"))); err == nil && remaining >= 0 {
		now.Remaining = remaining
	}
	if reset, err := strconv.ParseFloat(firstField(header.Get("X-Ratelimit-Reset")), 64); err == nil {
		now.Reset = rest.Seconds(reset)
	}
	if now.Remaining == 0 {
		now.Block = now.Reset
	}
	now.Block = max(now.Block, retryAfter)
	if now.Limit > 0 && now.Remaining >= 0 {
		now.UsedPercent = 100 * float64(max(now.Limit-now.Remaining, 0)) / float64(now.Limit)
	}
	var told []platform.Quota
	active := activePolicy(policies, current, now.Reset)
	for i, p := range policies {
		if i == active {
			now.Window = p.window
			continue
		}
		told = append(told, platform.Quota{Scope: names.of(p.window, 0), Limit: p.limit, Remaining: -1, Window: p.window, UsedPercent: -1})
	}
	now.Scope = names.of(now.Window, max(now.Reset, now.Block))
	if now.Limit < 0 && now.Remaining < 0 && now.Reset == 0 && now.Block == 0 {
		return told
	}
	return append(told, now)
}

// parseLimit reads the limit that applies now (-1 when not told) and all policies.
func parseLimit(value string) (current int, policies []policy) {
	current = -1
	for field := range strings.SplitSeq(value, ",") {
		if len(policies) == maxPolicies {
			break
		}
		number, window, hasWindow := strings.Cut(field, ";")
		limit, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || limit < 0 {
			continue
		}
		if !hasWindow {
			if current < 0 {
				current = limit
			}
			continue
		}
		name, seconds, _ := strings.Cut(strings.TrimSpace(window), "=")
		if length, err := strconv.ParseFloat(strings.TrimSpace(seconds), 64); err == nil && strings.TrimSpace(name) == "w" {
			policies = append(policies, policy{limit: limit, window: rest.Seconds(length)})
		}
	}
	return current, policies
}

// activePolicy finds the policy that the remaining count belongs to: the
// narrowest with the current limit whose window can hold the reset. -1 if none.
func activePolicy(policies []policy, current int, reset time.Duration) int {
	best := -1
	for i, p := range policies {
		if p.limit != current || p.window < reset {
			continue
		}
		if best < 0 || p.window < policies[best].window {
			best = i
		}
	}
	return best
}

func firstField(value string) string {
	field, _, _ := strings.Cut(value, ",")
	return strings.TrimSpace(field)
}

// blocked makes sure that the quotas of a 429 say that a scope is used up: that of the
// last.
func blocked(told []platform.Quota, names scopes, retryAfter time.Duration) []platform.Quota {
	if len(told) == 0 {
		told = append(told, platform.Quota{Scope: names.of(0, retryAfter), Limit: -1, Remaining: -1, UsedPercent: -1})
	}
	last := &told[len(told)-1]
	last.Remaining, last.UsedPercent = 0, 100
	if retryAfter > 0 {
		last.Block = retryAfter
	} else {
		last.Block = max(last.Block, last.Reset)
	}
	return told
}
