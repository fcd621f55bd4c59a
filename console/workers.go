package console

import (
	"net/http"
	"strconv"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// crew are the workers and their partitions.
type crew struct {
	Workers    []status.Worker
	Partitions []status.Partition
	Free       int
}

func (c *Console) workers(w http.ResponseWriter, r *http.Request) error {
	workers, partitions, err := c.Reader.Workers(r.Context())
	if err != nil {
		return err
	}
	shown := crew{Workers: workers, Partitions: partitions}
	for _, partition := range partitions {
		if partition.WorkerID == nil {
			shown.Free++
		}
	}
	return c.showPage(w, "workers", c.page(r, "Workers and partitions", "workers").live(), shown)
}

// auditPage is a page of the audit log.
type auditPage struct {
	Entries []persistence.AuditEntry
	Next    int64
}

const auditRows = 50

func (c *Console) audit(w http.ResponseWriter, r *http.Request) error {
	before, _ := strconv.ParseInt(filled(r, "before"), 10, 64) // else the newest
	if wantsCSV(r) {
		return c.auditCSV(w, r, persistence.AuditFilter{Who: filled(r, "who"), Action: filled(r, "action")})
	}
	entries, err := c.Audit.List(r.Context(), persistence.AuditFilter{
		Before: before, Who: filled(r, "who"), Action: filled(r, "action"), Limit: auditRows + 1,
	})
	if err != nil {
		return err
	}
	shown := auditPage{Entries: entries}
	if len(entries) > auditRows {
		shown.Entries = entries[:auditRows]
		shown.Next = shown.Entries[auditRows-1].ID
	}
	p := c.page(r, "Audit log", "audit")
	if before == 0 {
		p.live()
	}
	return c.showPage(w, "audit", p, shown)
}
