// Package outbox is what the producers with River and its workers agree on: the jobs and
// the staging table.
package outbox

import "encoding/json"

// Flush is the job of mode outbox: it posts what is staged of one account.
type Flush struct {
	Account string `json:"account"`
	Type    string `json:"type"`  // catalog type
	Limit   int    `json:"limit"` // mutations of a request, at most
}

// Kind names the job.
func (Flush) Kind() string { return "flush" }

// Mutation is the job of mode collect: one change of one item. Its queue is its account.
type Mutation struct {
	ID         string          `json:"id"`
	ItemID     string          `json:"item_id"`
	Operation  string          `json:"operation"`
	Attributes json.RawMessage `json:"attributes"`
}

// Kind names the job.
func (Mutation) Kind() string { return "mutation" }

// Schema is the staging table; it holds nothing but what waits.
const Schema = `CREATE TABLE staging (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	account text NOT NULL,
	body text NOT NULL);
CREATE INDEX staging_account ON staging (account, id)`
