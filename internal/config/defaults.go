package config

import (
	"cmp"
	"time"
)

// widest are the limits of one request that hold for all platforms.
func widest(platforms []Platform) (items, bytes int) {
	items, bytes = 1, 1<<10
	for i := range platforms {
		items, bytes = max(items, platforms[i].MaxItems), max(bytes, platforms[i].MaxBytes)
	}
	return items, bytes
}

// deliveryDefaults are the platform's, and where it has none those that suit all.
func deliveryDefaults(p *Platform) Delivery {
	d := p.Defaults
	d.Rules = cmp.Or(d.Rules, RulesWarn)
	d.Batch.MaxItems, d.Batch.MaxBytes = cmp.Or(d.Batch.MaxItems, p.MaxItems), cmp.Or(d.Batch.MaxBytes, p.MaxBytes)
	d.Batch.MaxAge = cmp.Or(d.Batch.MaxAge, 5*time.Second)
	d.Poll.Min, d.Poll.Max = cmp.Or(d.Poll.Min, 2*time.Second), cmp.Or(d.Poll.Max, time.Minute)
	d.Poll.GiveUp = cmp.Or(d.Poll.GiveUp, 4*time.Hour)
	d.Retry.MaxAttempts = cmp.Or(d.Retry.MaxAttempts, 8)
	d.Retry.Min, d.Retry.Max = cmp.Or(d.Retry.Min, 5*time.Second), cmp.Or(d.Retry.Max, 15*time.Minute)
	d.Concurrency = cmp.Or(d.Concurrency, 4)
	return d
}

// DefaultNATS is the address of NATS where nothing names one.
const DefaultNATS = "nats://127.0.0.1:4222"

// infrastructureDefaults are for everything outside of the accounts.
func infrastructureDefaults() *Config {
	return &Config{
		NATS: NATS{
			URL:        NewSecret(DefaultNATS),
			Stream:     Stream{Name: "CATALOG_MUTATIONS", MaxBytes: 10 << 30, Replicas: 1, ReplayWindow: 24 * time.Hour},
			Partitions: 64,
		},
		Database: Database{MaxConns: 16},
		HTTP:     HTTP{Listen: "127.0.0.1:8080"},
		Worker: Worker{
			LeaseTTL:            10 * time.Second,
			RecordWithin:        5 * time.Second,
			MemoryLimit:         512 << 20,
			UnknownAccountGrace: 5 * time.Minute,
			DrainTimeout:        30 * time.Second,
			Retention:           30 * 24 * time.Hour,
			DeadLetters:         DeadLetters{MaxBytes: 1 << 30},
		},
		Console: Console{
			Listen: "127.0.0.1:8081", Login: LoginNone, UserHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups",
			OIDC: OIDC{NameClaim: "email", GroupsClaim: "groups", SessionFor: 8 * time.Hour},
		},
		Outcomes: Outcomes{MaxAge: 7 * 24 * time.Hour, MaxBytes: 1 << 30, Webhooks: map[string]OutcomeWebhook{}},
		Notices:  Notices{After: time.Minute, ThrottledAfter: 15 * time.Minute},
		Serve:    Serve{Listen: "127.0.0.1:8440", Metrics: "127.0.0.1:8441", MaxBody: 16 << 20, MaxRequests: 16, DrainTime: 30 * time.Second},
		Accounts: map[string]Account{}, Sources: map[string]Source{}, Destinations: map[string]Destination{},
	}
}
