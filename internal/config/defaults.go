package config

import (
	"time"
)

// caps are a platform's own limits of one request.
type caps struct {
	items int
	bytes int
}

// capsOf gives the platform's limits; for no platform the widest of all.
func capsOf(p Platform) caps {
	switch p {
	case Pinterest:
		// POST /catalogs/items/batch takes 1 to 1000 items (OpenAPI of v5). No limit of
		// bytes is published; the client sends no more than these 10 MiB.
		return caps{items: 1000, bytes: 10 << 20}
	case Meta:
		// Reference of items_batch: at most 5000 records and 28 MB.
		return caps{items: 5000, bytes: 28_000_000}
	default:
		return caps{items: 5000, bytes: 28_000_000}
	}
}

// deliveryDefaults suit the real platforms.
func deliveryDefaults(p Platform) Delivery {
	common := Delivery{
		Rules: RulesWarn,
		Poll:  Poll{Min: 2 * time.Second, Max: time.Minute, GiveUp: 4 * time.Hour},
		Retry: Retry{MaxAttempts: 8, Min: 5 * time.Second, Max: 15 * time.Minute},
	}
	switch p {
	case Pinterest:
		common.BaseURL = "https://api.pinterest.com/v5"
		common.Batch = Batch{MaxItems: 1000, MaxBytes: 8_000_000, MaxAge: 5 * time.Second}
		common.Concurrency = 8
	case Meta:
		common.BaseURL = "https://graph.facebook.com/v25.0"
		// Meta recommends fewer than 3000 records. A new catalog has about 200 POSTs an
		// hour, one each 18 s: younger batches would use them up half empty.
		common.Batch = Batch{MaxItems: 2900, MaxBytes: 27_000_000, MaxAge: 30 * time.Second}
		common.Concurrency = 4
	}
	return common
}

// infrastructureDefaults are for everything outside of the accounts.
func infrastructureDefaults() *Config {
	return &Config{
		NATS: NATS{
			URL:        NewSecret("nats://127.0.0.1:4222"),
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
		Accounts: map[string]Account{},
	}
}
