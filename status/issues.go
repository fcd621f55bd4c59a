package status

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// IssueFilter chooses items that fail; empty fields choose all.
type IssueFilter struct {
	Filter
	Platform string
	// Code is the code of the first error: the platform's, or Courier's reason code.
	Code string
	// Attribute is the attribute of the first error; nil chooses all, also those that
	// concern none.
	Attribute *string
	// Status is failed, unconfirmed or invalid. Issues does not look at it.
	Status string
	// Message is the MessageKey of a group. Issues does not look at it.
	Message string
}

// IssueGroup is what items of one account fail of: the same first error, as far as code and
// attribute go. Where the platform gave no code, it is the message as well, of the newest
// items; "other messages" are those of older ones, and rare ones.
type IssueGroup struct {
	Account   string `json:"account"`
	Platform  string `json:"platform,omitempty"`
	Code      string `json:"code"`
	Attribute string `json:"attribute,omitempty"`
	// Message is the platform's text for one of the items.
	Message string `json:"message,omitempty"`
	// MessageKey chooses the items of a group that is one of several with its code and
	// attribute: IssueFilter.Message.
	MessageKey string `json:"message_key,omitempty"`
	// Advice says what to do about it; "" where nothing better than Message is known.
	Advice string `json:"advice,omitempty"`
	Items  int64  `json:"items"`
	// FirstAt is since when the first of the items has failed, LastAt when the last one did.
	FirstAt time.Time `json:"first_at"`
	LastAt  time.Time `json:"last_at"`
	// Samples are the ids of some of the items, those that failed last.
	Samples []string `json:"samples"`
}

// maxSamples bounds the ids of one group.
const maxSamples = 3

// Issues lists what items fail of, the group with most items first. Of accounts with many
// catalogs, groups that are large only together may be missing at the end of a list that has
// more. limit 0 means
// DefaultPage; more says that there are others. It reads the index of items: see IndexLag.
func (r *Reader) Issues(ctx context.Context, filter IssueFilter, limit int) (groups []IssueGroup, more bool, err error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	wanted := int(page(limit))
	if groups, err = r.topIssues(ctx, filter, wanted+1); err != nil {
		return nil, false, read("the issues", err)
	}
	counts, err := r.countIssues(ctx, filter, groups)
	if err != nil {
		return nil, false, read("the counts of issues", err)
	}
	asked := query.IssueSamplesParams{}
	lanes := map[int][]int32{}
	for _, c := range counts {
		g := &groups[c.Nth-1]
		g.Items += c.Items
		lanes[int(c.Nth)-1] = append(lanes[int(c.Nth)-1], c.Lane)
		asked.Lanes, asked.Nths = append(asked.Lanes, c.Lane), append(asked.Nths, c.Nth-1)
		asked.Codes, asked.Attributes = append(asked.Codes, g.Code), append(asked.Attributes, g.Attribute)
	}
	samples, err := r.query.IssueSamples(ctx, asked)
	if err != nil {
		return nil, false, read("items of the issues", err)
	}
	for _, s := range samples {
		g := &groups[s.Nth]
		if g.FirstAt.IsZero() || s.FirstAt.Before(g.FirstAt) {
			g.FirstAt = s.FirstAt
		}
		if s.LastAt.After(g.LastAt) {
			g.LastAt, g.Message = s.LastAt, s.Message
			g.Samples = append(s.Samples, g.Samples...)
		} else {
			g.Samples = append(g.Samples, s.Samples...)
		}
		g.Samples = g.Samples[:min(len(g.Samples), maxSamples)]
	}
	if groups, err = r.byMessage(ctx, groups, lanes); err != nil {
		return nil, false, err
	}
	groups = slices.DeleteFunc(groups, func(g IssueGroup) bool { return g.Items == 0 }) // ended meanwhile
	sortIssues(groups)
	if more = len(groups) > wanted; more {
		groups = groups[:wanted]
	}
	return groups, more, nil
}

func sortIssues(groups []IssueGroup) {
	slices.SortFunc(groups, func(a, b IssueGroup) int {
		return cmp.Or(cmp.Compare(b.Items, a.Items), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Attribute, b.Attribute), cmp.Compare(a.MessageKey, b.MessageKey))
	})
}

// topIssues finds the groups with the highest counts, without their counts. Counts are kept
// for each catalog type: of many more of these than groups are wanted the groups are made.
func (r *Reader) topIssues(ctx context.Context, filter IssueFilter, wanted int) ([]IssueGroup, error) {
	attribute := ""
	if filter.Attribute != nil {
		attribute = *filter.Attribute
	}
	rows, err := r.query.TopIssues(ctx, query.TopIssuesParams{
		Account: filter.Account, Platform: filter.Platform, Code: filter.Code, ByAttribute: filter.Attribute != nil, Attribute: attribute,
		Catalog: filter.Catalog, CatalogType: filter.Type, Lim: int32(1000 + 10*wanted), //nolint:gosec // a page
	})
	if err != nil {
		return nil, err
	}
	type reason struct{ account, code, attribute string }
	made := map[reason]*IssueGroup{}
	for _, row := range rows {
		key := reason{row.Account, row.Code, row.Attribute}
		if made[key] == nil {
			made[key] = &IssueGroup{
				Account: row.Account, Platform: row.Platform, Code: row.Code, Attribute: row.Attribute,
				Advice: r.advice(row.Platform, Issue{Code: row.Code, Attribute: row.Attribute}), Samples: []string{},
			}
		}
		made[key].Items += row.Items
	}
	groups := make([]IssueGroup, 0, len(made))
	for _, g := range made {
		groups = append(groups, *g)
	}
	sortIssues(groups)
	groups = groups[:min(len(groups), wanted)]
	for i := range groups {
		groups[i].Items = 0
	}
	return groups, nil
}

func (r *Reader) countIssues(ctx context.Context, filter IssueFilter, groups []IssueGroup) ([]query.IssueCountsRow, error) {
	asked := query.IssueCountsParams{Catalog: filter.Catalog, CatalogType: filter.Type}
	for i := range groups {
		asked.Accounts, asked.Codes = append(asked.Accounts, groups[i].Account), append(asked.Codes, groups[i].Code)
		asked.Attributes = append(asked.Attributes, groups[i].Attribute)
	}
	return r.query.IssueCounts(ctx, asked)
}

// failedPlace is a place in a list of failing items, the newest first.
type failedPlace struct {
	At           time.Time `json:"t"`
	Item         string    `json:"i"`
	Localization string    `json:"z"`
	Lane         int32     `json:"l"`
}

// IssueItems lists failing items, those that failed last first. next is "" when there are no
// others. limit 0 means DefaultPage.
func (r *Reader) IssueItems(ctx context.Context, filter IssueFilter, limit int, before Cursor) (items []IndexedItem, next Cursor, err error) {
	return r.failing(ctx, filter, limit, before)
}

// maxFailingGroups is up to how many groups a list of failing items is put together from
// those of each. Of more groups the items are read in order, past those of others.
const maxFailingGroups = 300

func (r *Reader) failing(ctx context.Context, filter IssueFilter, limit int, before Cursor) (items []IndexedItem, next Cursor, err error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	wanted := page(limit)
	if filter.Message != "" {
		rows, next, err := r.ofMessage(ctx, filter, wanted, before)
		if err != nil {
			return nil, "", err
		}
		items, err = r.indexed(ctx, rows)
		return items, next, err
	}
	rows, err := r.failingRows(ctx, filter, wanted+1, before)
	if err != nil {
		return nil, "", err
	}
	if len(rows) > int(wanted) {
		rows = rows[:wanted]
		next = failedCursor(&rows[len(rows)-1])
	}
	items, err = r.indexed(ctx, rows)
	return items, next, err
}

func failedCursor(row *query.IndexedItemsRow) Cursor {
	return cursorOf(failedPlace{*row.FailedAt, row.ItemID, row.Localization, row.Lane})
}

func (r *Reader) failingRows(ctx context.Context, filter IssueFilter, limit int32, before Cursor) ([]query.IndexedItemsRow, error) {
	place := failedPlace{At: endOfTime}
	if err := before.read(&place); err != nil {
		return nil, err
	}
	attribute := ""
	if filter.Attribute != nil {
		attribute = *filter.Attribute
	}
	groups, err := r.query.FailingGroups(ctx, query.FailingGroupsParams{
		Account: filter.Account, Catalog: filter.Catalog, CatalogType: filter.Type, Platform: filter.Platform, Code: filter.Code,
		ByAttribute: filter.Attribute != nil, Attribute: attribute, State: filter.Status, Lim: maxFailingGroups + 1,
	})
	if err != nil {
		return nil, read("the issues", err)
	}
	if len(groups) == 0 {
		return nil, nil
	}
	if len(groups) > maxFailingGroups {
		found, err := r.query.FailingInOrder(ctx, query.FailingInOrderParams{
			Before: place.At, BeforeItem: place.Item, BeforeLocalization: place.Localization, BeforeLane: place.Lane,
			Account: filter.Account, Catalog: filter.Catalog, CatalogType: filter.Type, Platform: filter.Platform, Code: filter.Code,
			ByAttribute: filter.Attribute != nil, Attribute: attribute, State: filter.Status, Lim: limit,
		})
		return failingOf(found, err)
	}
	asked := query.FailingItemsParams{
		Before: place.At, BeforeItem: place.Item, BeforeLocalization: place.Localization, BeforeLane: place.Lane, State: filter.Status, Lim: limit,
	}
	for _, group := range groups {
		asked.Lanes, asked.Codes = append(asked.Lanes, group.Lane), append(asked.Codes, group.Code)
		asked.Attributes = append(asked.Attributes, group.Attribute)
	}
	found, err := r.query.FailingItems(ctx, asked)
	return failingOf(found, err)
}

func failingOf[R query.FailingItemsRow | query.FailingInOrderRow](found []R, err error) ([]query.IndexedItemsRow, error) {
	if err != nil {
		return nil, read("the failing items", err)
	}
	rows := make([]query.IndexedItemsRow, len(found))
	for i := range found {
		rows[i] = query.IndexedItemsRow(found[i])
	}
	return rows, nil
}

// exportColumns head the export.
var exportColumns = []string{
	"platform", "account", "catalog", "catalog_type", "item_id", "localization", "status", "code", "attribute", "message", "advice", "errors",
	"operation", "mutation_id", "failed_at", "last_succeeded_operation", "last_succeeded_at",
}

// ExportIssues writes all failing items that the filter leaves as CSV, page by page, so that
// neither it nor the database keeps them in memory. It shows what is final only. Texts that a
// spreadsheet would take for a formula begin with an apostrophe.
func (r *Reader) ExportIssues(ctx context.Context, filter IssueFilter, w io.Writer) error {
	platforms, err := r.platforms(ctx)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	if err := out.Write(exportColumns); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	var before Cursor
	for {
		rows, err := r.exportPage(ctx, filter, before)
		if err != nil {
			return err
		}
		for i := range rows {
			if !filter.says(&rows[i]) {
				continue
			}
			if err := out.Write(r.exported(&rows[i], platforms[rows[i].Account])); err != nil {
				return fmt.Errorf("writing the export: %w", err)
			}
		}
		out.Flush()
		if err := out.Error(); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
		if len(rows) < MaxPage {
			return nil
		}
		before = failedCursor(&rows[len(rows)-1])
	}
}

func (r *Reader) exportPage(ctx context.Context, filter IssueFilter, before Cursor) ([]query.IndexedItemsRow, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	return r.failingRows(ctx, filter, MaxPage, before)
}

func (r *Reader) exported(row *query.IndexedItemsRow, platform string) []string {
	fields := []string{
		platform, row.Account, row.Catalog, row.CatalogType, row.ItemID, row.Localization, row.Status, row.Code, row.Attribute, row.Message,
		r.advice(platform, Issue{Code: row.Code, Attribute: row.Attribute, Message: row.Message}), strconv.Itoa(int(row.ErrorCount)), row.Operation, row.MutationID,
		row.FailedAt.UTC().Format(time.RFC3339), row.LastSucceededOperation, "",
	}
	if row.LastSucceededAt != nil {
		fields[len(fields)-1] = row.LastSucceededAt.UTC().Format(time.RFC3339)
	}
	for i, field := range fields {
		fields[i] = legible.Cell(field)
	}
	return fields
}
