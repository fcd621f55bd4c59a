package main

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// startPatience is how long the others may take to have all partitions, or a new
// one to have its share.
const startPatience = 15 * time.Second

func killWorker(s *striker) (string, error) {
	victim := s.anyOne()
	s.fleet.kill(victim)
	s.wait(s.between(0, leaseTTL))
	return "worker " + victim.name, s.fleet.start(victim)
}

func killAll(s *striker) (string, error) {
	for _, seat := range s.fleet.seats {
		s.fleet.kill(seat)
	}
	s.wait(s.between(0, time.Second))
	return namesOf(s.fleet.seats), s.fleet.revive()
}

// killAtPost waits until a platform has taken a POST, and kills the worker before
// it hears of it.
func killAtPost(s *striker) (string, error) {
	const patience = 10 * time.Second
	caught := make(chan string, 1)
	var once sync.Once
	s.platforms.onTaken(func(worker string) bool {
		deliver := true
		once.Do(func() {
			s.fleet.kill(s.fleet.seat(worker))
			caught <- worker
			deliver = false
		})
		return deliver
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	victim := ""
	select {
	case victim = <-caught:
	case <-timer.C:
	case <-s.ctx.Done():
	}
	s.platforms.onTaken(nil)
	once.Do(func() {}) // waits for a kill that has just begun
	if victim == "" {
		return "no POST came", nil
	}
	s.wait(s.between(0, time.Second))
	return "worker " + victim, s.fleet.start(s.fleet.seat(victim))
}

// freeze stops a worker where it stands until another has its partitions.
func freeze(s *striker) (string, error) {
	seat, lasts := s.anyOne(), s.between(leaseTTL*3/2, leaseTTL*5/2)
	seat.process.signal(syscall.SIGSTOP)
	s.wait(lasts)
	seat.process.signal(syscall.SIGCONT)
	return fmt.Sprintf("worker %s: %s", seat.name, lasts.Round(time.Millisecond)), nil
}

// stopPatience is how long a worker may take that was told to stop: the drain, and
// the hand-over of its partitions.
const stopPatience = drainTimeout + 25*time.Second

func terminate(s *striker) (string, error) {
	seat := s.anyOne()
	took, err := s.stop(seat)
	s.wait(s.between(0, time.Second))
	return fmt.Sprintf("worker %s: gone after %s, %s", seat.name, took.Round(time.Millisecond), outcome(err)), s.fleet.start(seat)
}

func outcome(err error) string {
	if err != nil {
		return err.Error()
	}
	return "exit code 0"
}

// stop tells a worker to stop and holds it to doing so in time and well.
func (s *striker) stop(seat *seat) (took time.Duration, err error) {
	const young = time.Second // a process that has just begun is ended by the signal
	s.wait(young - time.Since(seat.process.began))
	began := time.Now()
	seat.process.wanted.Store(true)
	seat.process.signal(syscall.SIGTERM)
	err = seat.process.await(stopPatience)
	took = time.Since(began)
	if err != nil {
		s.violatef("stop", "worker %s, told to stop: %v after %s; its log is %s", seat.name, err, took.Round(time.Millisecond), seat.log)
		s.fleet.kill(seat)
	}
	return took, err
}

func terminateTwice(s *striker) (string, error) {
	const atOnce = 5 * time.Second // on a machine that is busy
	seat := s.anyOne()
	seat.process.wanted.Store(true)
	seat.process.signal(syscall.SIGTERM)
	s.wait(s.between(20*time.Millisecond, 300*time.Millisecond))
	began := time.Now()
	seat.process.signal(syscall.SIGTERM)
	_ = seat.process.await(atOnce)
	if !seat.process.gone() {
		s.violatef("stop", "worker %s lives %s after a second signal; its log is %s", seat.name, atOnce, seat.log)
		s.fleet.kill(seat)
	}
	return fmt.Sprintf("worker %s: gone after %s", seat.name, time.Since(began).Round(time.Millisecond)), s.fleet.start(seat)
}

// join has one more worker come and go, and takes the time that the partitions need.
func join(s *striker) (string, error) {
	guest := s.fleet.guest
	if err := s.fleet.start(guest); err != nil {
		return "", err
	}
	share := partitions / (len(s.fleet.seats) + 1)
	spread, even := awaitSpread(s.ctx, s.database.pool, startPatience, func(count map[string]int) bool {
		for _, seat := range s.fleet.everybody() {
			if count[seat.name] < share {
				return false
			}
		}
		return true
	})
	told := make(chan time.Duration, 1)
	go func() { // ends within startPatience; received below
		took, ok := awaitSpread(s.ctx, s.database.pool, startPatience, func(count map[string]int) bool {
			return count[guest.name] == 0 && count[""] == 0
		})
		if !ok {
			took = -1
		}
		told <- took
	}()
	_, err := s.stop(guest)
	handed := <-told
	if even {
		s.noteSpread(spread)
	}
	if handed >= 0 && err == nil {
		s.noteHandOver(handed)
	}
	return fmt.Sprintf("spread evenly after %s, handed over after %s", atMost(spread, even), atMost(handed, handed >= 0)), nil
}

// joinWithClock has a worker join for a while whose wall clock is wrong.
func joinWithClock(s *striker) (string, error) {
	guest, offset := s.fleet.guest, s.between(10*time.Second, mostWrong)
	if s.random.IntN(2) == 0 {
		offset = -offset
	}
	if err := s.fleet.startWithClock(guest, offset); err != nil {
		return "", err
	}
	s.wait(s.between(4*time.Second, 7*time.Second))
	took, err := s.stop(guest)
	return fmt.Sprintf("%s, gone after %s, %s", offset.Round(time.Second), took.Round(time.Millisecond), outcome(err)), nil
}

// mostWrong is how wrong a clock is at most.
const mostWrong = time.Minute

func atMost(took time.Duration, ok bool) string {
	if !ok {
		return "more than " + startPatience.String()
	}
	return took.Round(time.Millisecond).String()
}
