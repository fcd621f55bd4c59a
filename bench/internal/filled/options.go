// Package filled fills a database with the rows that a service of many accounts leaves
// behind in some weeks, so that pages and commands can be measured on it.
package filled

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Options say what to make.
type Options struct {
	Mutations int
	Accounts  int
	Days      int // up to and including today
	// Partitions of the stream. Defaults to 16.
	Partitions int
	// Outbox is for how many of the newest batches rows of the outbox are written.
	Outbox int
	// Seed makes two fillings alike.
	Seed uint64
	Now  time.Time
	Log  func(format string, arguments ...any)
}

// lane is what the mutations of one account, catalog and type share.
type lane struct {
	id                   int
	partition            int
	account, platform    string
	catalog, catalogType string
	subject              string
	items                int // how many it has
	first                int // mutations before it, of all: lanes are drawn by these
	mutations            int
}

// The types that the accounts have, by platform.
var catalogTypes = map[string]string{"pinterest": "RETAIL", "meta": "PRODUCT_ITEM"}

// makeLanes shares the mutations out: few accounts have many, many have few. Each tenth
// account has two catalogs.
func makeLanes(o Options) []lane {
	var lanes []lane
	var weights []float64
	total := 0.0
	for i := range o.Accounts {
		platform := "pinterest"
		if i%2 == 1 {
			platform = "meta"
		}
		catalogs := []string{"main"}
		if i%10 == 0 {
			catalogs = append(catalogs, "outlet")
		}
		for _, name := range catalogs {
			l := lane{
				id: len(lanes) + 1, account: fmt.Sprintf("shop-%04d", i+1), platform: platform, catalog: name,
				catalogType: catalogTypes[platform], partition: i % o.Partitions,
			}
			l.subject = "catalog.mutations." + l.account + "." + l.catalog + "." + l.catalogType
			lanes = append(lanes, l)
			weight := 1 / float64(i+20)
			weights = append(weights, weight)
			total += weight
		}
	}
	first := 0
	for i := range lanes {
		lanes[i].first = first
		lanes[i].mutations = max(int(weights[i]/total*float64(o.Mutations)), 1)
		// An item changes five times in the weeks.
		lanes[i].items = max(lanes[i].mutations/5, 10)
		first += lanes[i].mutations
	}
	return lanes
}

// draw chooses a lane as often as it has mutations.
func draw(random *rand.Rand, lanes []lane) *lane {
	last := &lanes[len(lanes)-1]
	at := random.IntN(last.first + last.mutations)
	low, high := 0, len(lanes)-1
	for low < high {
		middle := (low + high + 1) / 2
		if lanes[middle].first <= at {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return &lanes[low]
}

// failure is one way in which a platform rejects an item.
type failure struct{ code, attribute, message string }

var failures = makeFailures()

func makeFailures() []failure {
	var all []failure
	for _, code := range []string{
		"INVALID_VALUE", "MISSING_FIELD", "IMAGE_NOT_REACHABLE", "LINK_NOT_REACHABLE", "PRICE_MISMATCH", "POLICY", "TOO_LONG", "DUPLICATE_ITEM", "UNKNOWN_CATEGORY",
		"BAD_CURRENCY", "BAD_GTIN", "ITEM_NOT_FOUND",
	} {
		for _, attribute := range []string{"image_link", "price", "title", "link", "gtin", "availability", "google_product_category"} {
			all = append(all, failure{code, attribute, "the value of " + attribute + " was rejected: " + code})
		}
	}
	return all
}

// drawFailure chooses one; a few are frequent.
func drawFailure(random *rand.Rand) *failure {
	at := random.Float64()
	return &failures[int(at*at*at*float64(len(failures)))]
}
