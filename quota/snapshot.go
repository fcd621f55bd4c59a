package quota

import (
	"encoding/json"
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
)

// snapshotJSON is what a platform told of a scope, as it is saved: for people, and for
// the workers that share the scope. What was not told is left out.
type snapshotJSON struct {
	ToldAt      time.Time  `json:"told_at"`
	Limit       *int       `json:"limit,omitempty"`
	Remaining   *int       `json:"remaining,omitempty"`
	Window      float64    `json:"window_seconds,omitempty"`
	UsedPercent *float64   `json:"used_percent,omitempty"`
	ResetsAt    *time.Time `json:"resets_at,omitempty"`
	RegainedAt  *time.Time `json:"regained_at,omitempty"` // the end of a block
}

// snapshot is what was told last; nil when nothing was.
func (c *scope) snapshot() []byte {
	if c.told.IsZero() {
		return nil
	}
	told := snapshotJSON{ToldAt: c.told.UTC(), Window: c.quota.Window.Seconds()}
	if c.quota.Limit >= 0 {
		told.Limit = &c.quota.Limit
	}
	if c.quota.Remaining >= 0 {
		told.Remaining = &c.quota.Remaining
	}
	if c.quota.UsedPercent >= 0 {
		told.UsedPercent = &c.quota.UsedPercent
	}
	if c.quota.Reset > 0 {
		resets := c.told.Add(c.quota.Reset).UTC()
		told.ResetsAt = &resets
	}
	if c.quota.Block > 0 {
		regained := c.told.Add(c.quota.Block).UTC()
		told.RegainedAt = &regained
	}
	encoded, err := json.Marshal(told)
	if err != nil {
		return nil // a finite number always encodes, and gjson reads no other
	}
	return encoded
}

// mergeSnapshot takes in what another worker, or an earlier owner, was told and saved. Clocks
// are compared only to see who was told last.
func (c *scope) mergeSnapshot(saved []byte, now time.Time) {
	var told snapshotJSON
	if len(saved) == 0 || json.Unmarshal(saved, &told) != nil || !told.ToldAt.After(c.told) || told.ToldAt.After(now) {
		return
	}
	quota := platform.Quota{Limit: -1, Remaining: -1, UsedPercent: -1, Window: time.Duration(told.Window * float64(time.Second))}
	if told.Limit != nil {
		quota.Limit = *told.Limit
	}
	if told.Remaining != nil {
		quota.Remaining = *told.Remaining
	}
	if told.UsedPercent != nil {
		quota.UsedPercent = *told.UsedPercent
	}
	if told.ResetsAt != nil {
		if quota.Reset = told.ResetsAt.Sub(now); quota.Reset <= 0 {
			return // it is over
		}
	}
	if quota.Window > 0 && now.Sub(told.ToldAt) > quota.Window {
		return
	}
	if told.RegainedAt != nil {
		if quota.Block = told.RegainedAt.Sub(now); quota.Block <= 0 {
			return // it is over
		}
	}
	c.tell(quota, now)
	c.told = told.ToldAt
	for _, m := range c.meters {
		if m.window == quota.Window && m.told.Equal(now) {
			m.told = told.ToldAt // it is tried again by when it was told
		}
	}
}
