package console

import (
	"context"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// Reader is what pages show; status.Reader is one.
type Reader interface { //nolint:interfacebloat // one seam: what all pages read
	Accounts(ctx context.Context, name string) ([]status.Account, error)
	Item(ctx context.Context, id string, filter status.Filter) (status.Item, error)
	// Similar names items whose ids are like one that is not known.
	Similar(ctx context.Context, id, account string) ([]string, error)
	Search(ctx context.Context, text string, limit int, after status.Cursor) ([]status.IndexedItem, status.Cursor, error)
	Items(ctx context.Context, account, catalog, status string, limit int, before status.Cursor) ([]status.IndexedItem, status.Cursor, error)
	Issues(ctx context.Context, filter status.IssueFilter, limit int) ([]status.IssueGroup, bool, error)
	IssueItems(ctx context.Context, filter status.IssueFilter, limit int, before status.Cursor) ([]status.IndexedItem, status.Cursor, error)
	ExportIssues(ctx context.Context, filter status.IssueFilter, w io.Writer) error
	Counts(ctx context.Context, account string) (status.ItemCounts, error)
	Series(ctx context.Context, account string, from, to time.Time, step time.Duration) ([]status.Point, error)
	Quotas(ctx context.Context, account string, from, to time.Time, step time.Duration) ([]status.QuotaPoint, error)
	Timeline(ctx context.Context, item string, filter status.Filter, before status.Place, limit int) ([]status.Mutation, bool, error)
	Mutation(ctx context.Context, id, account string) ([]status.Mutation, error)
	Batches(ctx context.Context, filter status.BatchFilter, before uuid.UUID, limit int) ([]status.Batch, bool, error)
	Batch(ctx context.Context, id uuid.UUID) (status.Batch, []status.Attempt, error)
	Answers(ctx context.Context, id uuid.UUID) ([]status.Answer, error)
	Records(ctx context.Context, id uuid.UUID, first, limit int) ([]status.Record, bool, error)
	Request(ctx context.Context, id uuid.UUID, attempt int, item string) (status.Request, error)
	Workers(ctx context.Context) ([]status.Worker, []status.Partition, error)
	Sources(ctx context.Context) ([]status.Source, error)
	Runs(ctx context.Context, source string, limit int) ([]status.Run, error)
	Run(ctx context.Context, id int64) (status.Run, error)
	Deliveries(ctx context.Context, source string, state persistence.DeliveryState, before int64, limit int) ([]status.Delivery, error)
}

// AuditLog keeps what people do; persistence.Audit is one.
type AuditLog interface {
	Begin(ctx context.Context, action persistence.Action) (int64, error)
	Finish(ctx context.Context, id int64, result persistence.ActionResult, changed int64, message string) error
	List(ctx context.Context, filter persistence.AuditFilter) ([]persistence.AuditEntry, error)
}
