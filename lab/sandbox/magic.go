package sandbox

import (
	"strings"
	"time"
)

// Ending is an ending of item ids that makes a platform with Options.Magic misbehave.
type Ending struct {
	// Suffix ends the item id, in upper case, such as "-REJECTED".
	Suffix string
	// Does says for people what the platform does, and how often.
	Does string

	item ItemAction // what happens to the item alone
	post Fault      // what happens to the POST with it
	// always is a fault of each POST with the item. All others happen once, and again
	// after magicAgain, so that they block nobody for long.
	always bool
	outage bool          // post begins an outage of the whole platform
	slow   time.Duration // the batch is in progress so much longer
	silent bool          // the batch is in progress until it is sent again
}

// Times of the endings.
const (
	magicLimit  = 5 * time.Second // a platform that tells whole minutes makes it one
	magicOutage = 15 * time.Second
	magicSlow   = 10 * time.Second
)

var endings = []Ending{
	{Suffix: "-REJECTED", item: RefuseItem, Does: "The platform rejects the item, each time."},
	{Suffix: "-WARNING", item: WarnItem, Does: "The item is applied, with a warning."},
	{Suffix: "-OMITTED", item: OmitItem, Does: "The result never names the item. A platform that only counts rejected items rejected it, others applied it."},
	{Suffix: "-SLOW", slow: magicSlow, Does: "The batch stays in progress 10 seconds longer."},
	{Suffix: "-SILENT", silent: true, Does: "The batch stays in progress permanently. Sent again, it ends."},
	{Suffix: "-FAILED", post: Fault{Kind: FailBatch}, Does: "The batch fails as a whole, once."},
	{Suffix: "-400", post: Fault{Kind: RefuseBatch}, always: true, Does: "The platform refuses each POST with the item and does not say why."},
	{Suffix: "-401", post: Fault{Kind: TokenRevoked}, Does: "The platform refuses the access token, once."},
	{Suffix: "-403", post: Fault{Kind: Forbidden}, Does: "The platform says that the account may not do this, once."},
	{Suffix: "-429", post: Fault{Kind: RateLimited, Duration: magicLimit}, Does: "The quota is used up, once: for 5 seconds, or for a minute on a platform that tells whole minutes."},
	{Suffix: "-500", post: Fault{Kind: ServerError}, Does: "A server error before any work, once."},
	{Suffix: "-OUTAGE", post: Fault{Kind: ServerError}, outage: true, Does: "A server error to every call of every account, for 15 seconds."},
	{Suffix: "-LOST", post: Fault{Kind: ResetAfter}, Does: "The platform takes the batch and the connection breaks before the answer, once."},
}

// Endings are all endings, in the order of the documentation.
func Endings() []Ending { return endings }

// endingOf finds the ending of an item id. Without Options.Magic no id has one.
func (c *Core) endingOf(id string) *Ending {
	if !c.Options.Magic {
		return nil
	}
	if c.dialect.ItemOf != nil {
		id = c.dialect.ItemOf(id)
	}
	for i := range endings {
		if strings.HasSuffix(id, endings[i].Suffix) {
			return &endings[i]
		}
	}
	return nil
}

const (
	// keepMagic bounds the items that are remembered.
	keepMagic = 10_000
	// magicAgain is how long an item whose ending has had its effect behaves. It is well
	// above the time in which a worker sends it again.
	magicAgain = 2 * time.Minute
)

// Magic is what the ids of a batch do to its POST, and notes in the batch what they do
// to its result. A POST with several such ids meets their faults one after the other.
func (c *Core) Magic(b *Batch) Fault {
	if !c.Options.Magic {
		return Fault{}
	}
	c.Mu.Lock()
	defer c.Mu.Unlock()
	for i := range b.Changes {
		ending := c.endingOf(b.Changes[i].ID)
		if ending != nil && ending.post.Kind != "" && (ending.always || c.due(b, &b.Changes[i])) {
			c.Seen.Faults[ending.post.Kind]++
			if ending.outage {
				c.outage = time.Now().Add(magicOutage)
			}
			return ending.post
		}
	}
	for i := range b.Changes {
		change := &b.Changes[i]
		ending := c.endingOf(change.ID)
		switch {
		case ending == nil:
		case ending.silent && c.due(b, change):
			b.silent = true
			c.Seen.Faults[StaysInProgress]++
		case ending.item == WarnItem && len(change.Errors) == 0:
			change.Warnings = append(change.Warnings, c.dialect.Warns(strings.Clone(change.ID)))
		default:
			b.slow = max(b.slow, ending.slow)
		}
	}
	return Fault{}
}

// due reports whether the ending of an item has its effect now, and notes that it has.
func (c *Core) due(b *Batch, change *Change) bool {
	item := b.Key.Catalog + " " + string(b.Key.ItemType) + " " + change.ID // a copy: the id shares the body's memory
	now := time.Now()
	if last, was := c.struck[item]; was && now.Sub(last) < magicAgain {
		return false
	}
	if len(c.struck) >= keepMagic {
		clear(c.struck)
	}
	c.struck[item] = now
	return true
}

// magicRule is the rule that the ending of an id stands for.
func (c *Core) magicRule(id string) *ItemRule {
	ending := c.endingOf(id)
	if ending == nil || ending.item == "" || ending.item == WarnItem {
		return nil
	}
	return &ItemRule{Action: ending.item, rejectsUnnamed: ending.item == OmitItem && c.dialect.NamesRejected}
}

// rejects is the platform's own way to reject an item.
func (c *Core) rejects(rule *ItemRule, id string) Issue {
	if rule.Message == "" && c.dialect.Rejects != nil && (c.Options.Magic || rule.Rate > 0) {
		return c.dialect.Rejects(id)
	}
	return Issue{Code: codeRuleRefused, Message: rule.message(id)}
}

// Ended reports whether the platform says that it is done with the batch. The caller
// holds the lock.
func (b *Batch) Ended() bool { return b.Done && !b.silent }
