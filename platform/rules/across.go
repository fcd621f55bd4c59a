package rules

import (
	"strconv"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// across holds attributes to each other. given are those with a value that is not
// empty.
func (c *check) across(given uint64) {
	for _, rule := range c.table.top.lessThan {
		c.compare(rule)
	}
	for _, rule := range c.table.top.asMany {
		c.compareCounts(rule)
	}
	for _, rule := range c.table.top.overriding {
		if given&rule.bit != 0 && given&rule.overridden != 0 {
			c.overrides(rule, given)
		}
	}
}

// compare holds a price to the one that it must be lower than.
func (c *check) compare(rule *rule) {
	low, high := c.kept[rule.slot], c.kept[rule.lessThan.slot]
	if low.Kind != rawjson.String || high.Kind != rawjson.String {
		return
	}
	what := "must be lower than "
	switch order := comparePrices(low.Text(), high.Text()); {
	case order == otherCurrency && rule.Has(OneCurrency):
		what = "must have the currency of "
	case order != notLower:
		return
	}
	c.enter(step{name: rule.Name})
	c.wrong(rule, catalog.InvalidValue, what+rule.LessThan+", which is "+truncated(high), low)
	c.leave()
}

// compareCounts holds a list to the one that it has as many entries as.
func (c *check) compareCounts(rule *rule) {
	one, other := c.kept[rule.slot], c.kept[rule.asMany.slot]
	if one.Kind != rawjson.Array || other.Kind != rawjson.Array {
		return
	}
	if has, wanted := one.Len(), other.Len(); has != wanted {
		c.enter(step{name: rule.Name})
		c.wrong(rule, catalog.InvalidValue, "has "+entries(has)+", but "+rule.AsMany+" has "+strconv.Itoa(wanted)+": each entry belongs to one there", rawjson.Value{})
		c.leave()
	}
}

// overrides tells which attributes the platform ignores beside this one.
func (c *check) overrides(rule *rule, given uint64) {
	for _, name := range rule.Overrides {
		if ignored := c.table.top.find(name); given&ignored.bit != 0 {
			c.enter(step{name: name})
			c.doubtful(ignored, "is ignored where the item has "+rule.Name, rawjson.Value{})
			c.leave()
		}
	}
}
