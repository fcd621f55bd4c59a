package main

import (
	"errors"
	"fmt"
	"time"
)

// failOverBehind loses Postgres, whose standby is some seconds behind: its last commits
// are gone, and what they announced may have been sent. Now and then the owners change
// once more before settle has passed.
func failOverBehind(c *faultContext) (string, error) {
	behind := c.between(200*time.Millisecond, 3*time.Second)
	err := c.database.failOver(c.ctx, false, func() { c.wait(behind) })
	c.noteRestored()
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%s behind", behind.Round(time.Millisecond))
	if c.random.IntN(2) == 0 {
		return detail, nil
	}
	c.wait(c.between(settle/4, settle/2))
	slots := c.some()
	for _, slot := range slots {
		if c.random.IntN(2) == 0 {
			c.fleet.kill(slot)
		} else if _, stopErr := c.stop(slot); stopErr != nil {
			detail += ", " + stopErr.Error()
		}
	}
	c.wait(c.between(0, time.Second))
	for _, slot := range slots {
		err = errors.Join(err, c.fleet.start(slot))
	}
	return detail + ", then other owners instead of " + namesOf(slots), err
}

// failOverInTime loses Postgres, whose standby has everything that was committed.
func failOverInTime(c *faultContext) (string, error) {
	return "", c.database.failOver(c.ctx, true, func() { c.wait(c.between(200*time.Millisecond, time.Second)) })
}
