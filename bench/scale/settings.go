package main

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/queue"
)

// settings are a courier.yaml, as a tree.
type settings map[string]any

// text is the file: JSON is YAML.
func (s settings) text() (string, error) {
	text, err := json.Marshal(s)
	return string(text), err
}

// settle is above everything by which a POST can be late on the simulated platforms.
const settle = 5 * time.Second

// settingsOf has workers deliver to the accounts soon after a change: a batch is cut
// after a tenth of a second, and looked at again as soon.
func settingsOf(accounts map[string]settings) settings {
	return settings{
		"nats":     settings{"url": "${NATS_URL}", "partitions": partitions, "stream": settings{"max_bytes": "20GiB"}},
		"database": settings{"url": "${DATABASE_URL}"},
		"defaults": settings{
			"settle": settle.String(),
			"batch":  settings{"max_age": "100ms"},
			"poll":   settings{"min": "50ms", "max": "1s"},
			"retry":  settings{"min": "200ms", "max": "2s", "max_attempts": 50},
		},
		"accounts": accounts,
	}
}

// partitions is the default of nats.partitions.
const partitions = queue.DefaultPartitions

// catalogName is the one catalog of each account.
const catalogName = "main"

// metaAccount and pinterestAccount have a catalog and a token of their own.
func metaAccount(number int) settings {
	return settings{
		"platform": "meta", "base_url": "${META_URL}", "access_token": "${TOKEN}-" + strconv.Itoa(number),
		"catalogs": settings{catalogName: settings{"catalog_id": strconv.Itoa(number)}},
	}
}

func pinterestAccount(number int) settings {
	return settings{
		"platform": "pinterest", "base_url": "${PINTEREST_URL}", "access_token": "${TOKEN}-" + strconv.Itoa(number),
		"catalogs": settings{catalogName: settings{"country": "US", "language": "en-US", "catalog_id": strconv.Itoa(number)}},
	}
}

// laneOf is where changes of an account go.
func laneOf(c *config.Config, account string) catalog.Lane {
	lane := catalog.Lane{Account: account, Catalog: catalogName, Type: "PRODUCT_ITEM"}
	if c.Accounts[account].Platform == "pinterest" {
		lane.Type = "RETAIL"
	}
	return lane
}

// accountsIn makes up names of so many accounts that live in a partition.
func accountsIn(partition, count int, prefix string) []string {
	names := make([]string, 0, count)
	for number := 0; len(names) < count; number++ {
		name := prefix + strconv.Itoa(number)
		if queue.PartitionOf(name, partitions) == partition {
			names = append(names, name)
		}
	}
	return names
}
