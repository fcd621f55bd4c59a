package main

import (
	"errors"
	"fmt"
	"time"
)

// failOverBehind loses Postgres, whose standby is some seconds behind: its last commits
// are gone, and what they announced may have been sent. Now and then the owners change
// once more before settle has passed.
func failOverBehind(s *striker) (string, error) {
	behind := s.between(200*time.Millisecond, 3*time.Second)
	err := s.database.failOver(s.ctx, false, func() { s.wait(behind) })
	s.noteRestored()
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%s behind", behind.Round(time.Millisecond))
	if s.random.IntN(2) == 0 {
		return detail, nil
	}
	s.wait(s.between(settle/4, settle/2))
	seats := s.some()
	for _, seat := range seats {
		if s.random.IntN(2) == 0 {
			s.fleet.kill(seat)
		} else if _, stopErr := s.stop(seat); stopErr != nil {
			detail += ", " + stopErr.Error()
		}
	}
	s.wait(s.between(0, time.Second))
	for _, seat := range seats {
		err = errors.Join(err, s.fleet.start(seat))
	}
	return detail + ", then other owners instead of " + namesOf(seats), err
}

// failOverInTime loses Postgres, whose standby has everything that was committed.
func failOverInTime(s *striker) (string, error) {
	return "", s.database.failOver(s.ctx, true, func() { s.wait(s.between(200*time.Millisecond, time.Second)) })
}
