package status

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Issues without a code of the platform say what is wrong by their messages alone. Those of
// the newest items are looked at, and put together where only the item's id and numbers
// differ.
const (
	messagesLooked = 1000 // items of a lane
	messagesShown  = 20   // of an issue
	// longestKey is how much of a message tells it from others, in characters.
	longestKey = 200
	// shortestID is the shortest id that is looked for in a message: others are in words.
	shortestID = 3
	// pagesLooked bounds the pages of items that are looked at for those of one message.
	pagesLooked = 20
)

// uncoded reports that a code is Courier's own word for what the platform said.
func uncoded(code string) bool {
	return slices.Contains([]string{string(catalog.Refused), string(catalog.AttemptsExhausted), string(catalog.Unconfirmed), Failed}, code)
}

var numbers = regexp.MustCompile(`[0-9]+`)

// messageKey is a message without what is of one item alone. The query IssueMessages makes
// the same.
func messageKey(message, item string) string {
	if utf8.RuneCountInString(item) >= shortestID {
		message = strings.ReplaceAll(message, item, "…")
	}
	key := numbers.ReplaceAllString(message, "…")
	if letters := []rune(key); len(letters) > longestKey {
		key = string(letters[:longestKey])
	}
	return key
}

// says reports that an item has the message of the filter.
func (f *IssueFilter) says(row *query.IndexedItemsRow) bool {
	return f.Message == "" || messageKey(row.Message, row.ItemID) == f.Message
}

// byMessage splits groups without a code of the platform. What is older than what was looked
// at stays a group of its own. lanes are the lanes of each group.
func (r *Reader) byMessage(ctx context.Context, groups []IssueGroup, lanes map[int][]int32) ([]IssueGroup, error) {
	asked := query.IssueMessagesParams{Looked: messagesLooked, Longest: longestKey, Shortest: shortestID, Shown: messagesShown}
	for nth := range groups {
		if !uncoded(groups[nth].Code) {
			continue
		}
		for _, lane := range lanes[nth] {
			asked.Lanes, asked.Nths = append(asked.Lanes, lane), append(asked.Nths, int32(nth))
			asked.Codes, asked.Attributes = append(asked.Codes, groups[nth].Code), append(asked.Attributes, groups[nth].Attribute)
		}
	}
	if len(asked.Lanes) == 0 {
		return groups, nil
	}
	rows, err := r.query.IssueMessages(ctx, asked)
	if err != nil {
		return nil, read("the messages of the issues", err)
	}
	found := map[int32][]query.IssueMessagesRow{}
	for i := range rows {
		found[rows[i].Nth] = append(found[rows[i].Nth], rows[i])
	}
	for nth, messages := range found {
		whole := &groups[nth]
		if len(messages) == 1 {
			whole.Message, whole.MessageKey = messages[0].Message, ""
			continue
		}
		for _, m := range messages {
			part := *whole
			part.Message, part.MessageKey, part.Items = m.Message, m.Key, m.Items
			part.FirstAt, part.LastAt, part.Samples = m.FirstAt, m.LastAt, m.Samples
			part.Advice = r.advice(part.Platform, Issue{Code: part.Code, Attribute: part.Attribute, Message: part.Message})
			groups = append(groups, part)
			whole = &groups[nth] // it may have moved
			whole.Items -= m.Items
		}
		whole.Message, whole.Samples = "other messages", []string{}
		whole.Items = max(whole.Items, 0)
	}
	return slices.DeleteFunc(groups, func(g IssueGroup) bool { return g.Items == 0 }), nil
}

// ofMessage reads a page of failing items with one message, past those with others. It ends
// early after many of these: next goes on.
func (r *Reader) ofMessage(ctx context.Context, filter IssueFilter, wanted int32, before Cursor) (kept []query.IndexedItemsRow, next Cursor, err error) {
	for range pagesLooked {
		rows, err := r.failingRows(ctx, filter, MaxPage, before)
		if err != nil {
			return nil, "", err
		}
		for i := range rows {
			if filter.says(&rows[i]) {
				kept = append(kept, rows[i])
			}
			if before = failedCursor(&rows[i]); len(kept) == int(wanted) {
				return kept, before, nil
			}
		}
		if len(rows) < MaxPage {
			return kept, "", nil
		}
	}
	return kept, before, nil
}
