package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// faultContext is what a fault works with: the run, and choices of its own that follow
// from the seed.
type faultContext struct {
	*run
	ctx    context.Context //nolint:containedctx // of this one fault
	random *rand.Rand
}

// between is a time between two.
func (c *faultContext) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)))
}

// wait waits, or until the run is given up.
func (c *faultContext) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// anyOne chooses a worker; some chooses one, and now and then all.
func (c *faultContext) anyOne() *workerSlot { return c.fleet.slots[c.random.IntN(len(c.fleet.slots))] }

func (c *faultContext) some() []*workerSlot {
	if c.random.IntN(4) == 0 {
		return c.fleet.slots
	}
	return []*workerSlot{c.anyOne()}
}

func namesOf(slots []*workerSlot) string {
	names := make([]string, 1, 1+len(slots))
	names[0] = "worker"
	for _, slot := range slots {
		names = append(names, slot.name)
	}
	return strings.Join(names, " ")
}

// cut breaks connections again and again.
func cut(behind string) func(*faultContext) (string, error) {
	return func(c *faultContext) (string, error) {
		slots, broken := c.some(), 0
		for range 1 + c.random.IntN(5) {
			for _, slot := range slots {
				broken += slot.proxies[behind].Cut()
			}
			c.wait(c.between(50*time.Millisecond, 300*time.Millisecond))
		}
		return fmt.Sprintf("%s: %d connections", namesOf(slots), broken), nil
	}
}

// hold lets nothing pass for a while; what was written meanwhile arrives late. A
// POST must not be later than settle allows.
func hold(behind string) func(*faultContext) (string, error) {
	return func(c *faultContext) (string, error) {
		slots, most := c.some(), 5*time.Second
		if behind == toPlatforms {
			most = 2500 * time.Millisecond
		}
		lasts := c.between(time.Second, most)
		for _, slot := range slots {
			slot.proxies[behind].Hold(true)
		}
		c.wait(lasts)
		for _, slot := range slots {
			slot.proxies[behind].Hold(false)
		}
		return fmt.Sprintf("%s: %s", namesOf(slots), lasts.Round(time.Millisecond)), nil
	}
}

// slow narrows connections.
func slow(behind string) func(*faultContext) (string, error) {
	return func(c *faultContext) (string, error) {
		const least, most = 60 << 10, 200 << 10
		slots, rate := c.some(), least+c.random.IntN(most-least)
		for _, slot := range slots {
			slot.proxies[behind].Slow(rate)
		}
		c.wait(c.between(2*time.Second, 4*time.Second))
		for _, slot := range slots {
			slot.proxies[behind].Slow(0)
		}
		return fmt.Sprintf("%s: %d KiB/s", namesOf(slots), rate>>10), nil
	}
}

// refuse takes away every way to something, past the lease or not.
func refuse(behind string) func(*faultContext) (string, error) {
	return func(c *faultContext) (string, error) {
		slots, lasts := c.some(), c.between(leaseTTL/2, 2*leaseTTL)
		for _, slot := range slots {
			slot.proxies[behind].Refuse(true)
			slot.proxies[behind].Cut()
		}
		c.wait(lasts)
		for _, slot := range slots {
			slot.proxies[behind].Refuse(false)
		}
		return fmt.Sprintf("%s: %s", namesOf(slots), lasts.Round(time.Millisecond)), nil
	}
}

// misbehave has one of the sites, or all, misbehave for a while.
func misbehave(names []string, faults []sandbox.PlannedFault) func(*faultContext) (string, error) {
	return func(c *faultContext) (string, error) {
		hit := names
		if one := c.random.IntN(len(names) + 1); one < len(names) {
			hit = names[one : one+1]
		}
		for _, name := range hit {
			c.platforms.site(name).SetPlan(slices.Concat(faults, everyday()))
		}
		c.wait(c.between(2*time.Second, 4*time.Second))
		for _, name := range hit {
			c.platforms.site(name).SetPlan(everyday())
		}
		return fmt.Sprint(hit), nil
	}
}

// revokeIssued takes the access tokens back that were given out.
func revokeIssued(c *faultContext) (string, error) {
	site, ok := c.platforms.site(pinterestSite).simulated.(*pinterestsim.Platform)
	if !ok {
		return "", errors.New("the site is not Pinterest")
	}
	site.RevokeIssued()
	return pinterestSite, nil
}

// revoke has a site refuse every token for a while.
func revoke(c *faultContext) (string, error) {
	name := []string{pinterestSite, metaSite}[c.random.IntN(2)]
	c.platforms.site(name).RevokeTokens(true)
	c.wait(c.between(time.Second, 3*time.Second))
	c.platforms.site(name).RevokeTokens(false)
	return name, nil
}
