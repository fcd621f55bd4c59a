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

// striker is what a fault works with: the trial, and choices of its own that follow
// from the seed.
type striker struct {
	*trial
	ctx    context.Context //nolint:containedctx // of this one fault
	random *rand.Rand
}

// between is a time between two.
func (s *striker) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.random.Int64N(int64(most-least)))
}

// wait waits, or until the trial is given up.
func (s *striker) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// anyOne chooses a worker; some chooses one, and now and then all.
func (s *striker) anyOne() *seat { return s.fleet.seats[s.random.IntN(len(s.fleet.seats))] }

func (s *striker) some() []*seat {
	if s.random.IntN(4) == 0 {
		return s.fleet.seats
	}
	return []*seat{s.anyOne()}
}

func namesOf(seats []*seat) string {
	names := make([]string, 1, 1+len(seats))
	names[0] = "worker"
	for _, seat := range seats {
		names = append(names, seat.name)
	}
	return strings.Join(names, " ")
}

// cut breaks connections again and again.
func cut(behind string) func(*striker) (string, error) {
	return func(s *striker) (string, error) {
		seats, broken := s.some(), 0
		for range 1 + s.random.IntN(5) {
			for _, seat := range seats {
				broken += seat.doors[behind].Cut()
			}
			s.wait(s.between(50*time.Millisecond, 300*time.Millisecond))
		}
		return fmt.Sprintf("%s: %d connections", namesOf(seats), broken), nil
	}
}

// hold lets nothing pass for a while; what was written meanwhile arrives late. A
// POST must not be later than settle allows.
func hold(behind string) func(*striker) (string, error) {
	return func(s *striker) (string, error) {
		seats, most := s.some(), 5*time.Second
		if behind == toPlatforms {
			most = 2500 * time.Millisecond
		}
		lasts := s.between(time.Second, most)
		for _, seat := range seats {
			seat.doors[behind].Hold(true)
		}
		s.wait(lasts)
		for _, seat := range seats {
			seat.doors[behind].Hold(false)
		}
		return fmt.Sprintf("%s: %s", namesOf(seats), lasts.Round(time.Millisecond)), nil
	}
}

// slow narrows connections.
func slow(behind string) func(*striker) (string, error) {
	return func(s *striker) (string, error) {
		const least, most = 60 << 10, 200 << 10
		seats, rate := s.some(), least+s.random.IntN(most-least)
		for _, seat := range seats {
			seat.doors[behind].Slow(rate)
		}
		s.wait(s.between(2*time.Second, 4*time.Second))
		for _, seat := range seats {
			seat.doors[behind].Slow(0)
		}
		return fmt.Sprintf("%s: %d KiB/s", namesOf(seats), rate>>10), nil
	}
}

// refuse takes away every way to something, past the lease or not.
func refuse(behind string) func(*striker) (string, error) {
	return func(s *striker) (string, error) {
		seats, lasts := s.some(), s.between(leaseTTL/2, 2*leaseTTL)
		for _, seat := range seats {
			seat.doors[behind].Refuse(true)
			seat.doors[behind].Cut()
		}
		s.wait(lasts)
		for _, seat := range seats {
			seat.doors[behind].Refuse(false)
		}
		return fmt.Sprintf("%s: %s", namesOf(seats), lasts.Round(time.Millisecond)), nil
	}
}

// misbehave has one of the sites, or all, misbehave for a while.
func misbehave(names []string, faults []sandbox.PlannedFault) func(*striker) (string, error) {
	return func(s *striker) (string, error) {
		hit := names
		if one := s.random.IntN(len(names) + 1); one < len(names) {
			hit = names[one : one+1]
		}
		for _, name := range hit {
			s.platforms.site(name).SetPlan(slices.Concat(faults, everyday()))
		}
		s.wait(s.between(2*time.Second, 4*time.Second))
		for _, name := range hit {
			s.platforms.site(name).SetPlan(everyday())
		}
		return fmt.Sprint(hit), nil
	}
}

// revokeIssued takes the access tokens back that were given out.
func revokeIssued(s *striker) (string, error) {
	site, ok := s.platforms.site(pinterestSite).simulated.(*pinterestsim.Platform)
	if !ok {
		return "", errors.New("the site is not Pinterest")
	}
	site.RevokeIssued()
	return pinterestSite, nil
}

// revoke has a site refuse every token for a while.
func revoke(s *striker) (string, error) {
	name := []string{pinterestSite, metaSite}[s.random.IntN(2)]
	s.platforms.site(name).RevokeTokens(true)
	s.wait(s.between(time.Second, 3*time.Second))
	s.platforms.site(name).RevokeTokens(false)
	return name, nil
}
