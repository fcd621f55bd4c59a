package sandbox

import (
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// ErrNotApplied is wrapped by the error of a mutation that the platform refuses.
var ErrNotApplied = errors.New("the platform refuses the mutation")

// Apply changes the state by one mutation at once, as the platform means it: no
// encoding, no merging. It tells what the state must be in the end.
func (c *Core) Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	asked := Change{ID: m.ItemID, Operation: m.Operation, Attributes: string(m.Attributes)}
	if m.Operation != catalog.Delete && m.HasNull {
		asked.Attributes, asked.Mask = withoutNulls(asked.Attributes)
	}
	if asked.Attributes == "" {
		asked.Attributes = "{}"
	}
	if wrong := c.tableOf(TableKey{catalogKey, itemType}).apply(&asked); len(wrong) > 0 {
		return fmt.Errorf("%w: %s of %q: %s", ErrNotApplied, m.Operation, m.ItemID, wrong[0].Message)
	}
	return nil
}

// withoutNulls takes the null members out of an object and names them.
func withoutNulls(attributes string) (rest string, nulls []string) {
	kept := []byte{'{'}
	gjson.Parse(attributes).ForEach(func(name, value gjson.Result) bool {
		if value.Type == gjson.Null {
			nulls = append(nulls, name.Str)
		} else {
			kept = AppendRaw(kept, name.Raw, value.Raw)
		}
		return true
	})
	return string(append(kept, '}')), nulls
}
