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

func killWorker(c *faultContext) (string, error) {
	victim := c.anyOne()
	c.fleet.kill(victim)
	c.wait(c.between(0, leaseTTL))
	return "worker " + victim.name, c.fleet.start(victim)
}

func killAll(c *faultContext) (string, error) {
	for _, slot := range c.fleet.slots {
		c.fleet.kill(slot)
	}
	c.wait(c.between(0, time.Second))
	return namesOf(c.fleet.slots), c.fleet.restartAll()
}

// killAtPost waits until a platform has taken a POST, and kills the worker before
// it hears of it.
func killAtPost(c *faultContext) (string, error) {
	const patience = 10 * time.Second
	caught := make(chan string, 1)
	var once sync.Once
	c.platforms.onTaken(func(worker string) bool {
		deliver := true
		once.Do(func() {
			c.fleet.kill(c.fleet.slot(worker))
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
	case <-c.ctx.Done():
	}
	c.platforms.onTaken(nil)
	once.Do(func() {}) // waits for a kill that has just begun
	if victim == "" {
		return "no POST came", nil
	}
	c.wait(c.between(0, time.Second))
	return "worker " + victim, c.fleet.start(c.fleet.slot(victim))
}

// freeze stops a worker where it stands until another has its partitions.
func freeze(c *faultContext) (string, error) {
	slot, lasts := c.anyOne(), c.between(leaseTTL*3/2, leaseTTL*5/2)
	_ = slot.process.Signal(syscall.SIGSTOP) // one that is gone does not mind
	c.wait(lasts)
	_ = slot.process.Signal(syscall.SIGCONT)
	return fmt.Sprintf("worker %s: %s", slot.name, lasts.Round(time.Millisecond)), nil
}

// stopPatience is how long a worker may take that was told to stop: the drain, and
// the hand-over of its partitions.
const stopPatience = drainTimeout + 25*time.Second

func terminate(c *faultContext) (string, error) {
	slot := c.anyOne()
	took, err := c.stop(slot)
	c.wait(c.between(0, time.Second))
	return fmt.Sprintf("worker %s: gone after %s, %s", slot.name, took.Round(time.Millisecond), outcome(err)), c.fleet.start(slot)
}

func outcome(err error) string {
	if err != nil {
		return err.Error()
	}
	return "exit code 0"
}

// stop tells a worker to stop and holds it to doing so in time and well.
func (c *faultContext) stop(slot *workerSlot) (took time.Duration, err error) {
	const young = time.Second // a process that has just begun is ended by the signal
	c.wait(young - time.Since(slot.process.Began))
	began := time.Now()
	slot.process.wanted.Store(true)
	_ = slot.process.Signal(syscall.SIGTERM) // one that is gone does not mind
	err = slot.process.Await(stopPatience)
	took = time.Since(began)
	if err != nil {
		c.violatef("stop", "worker %s, told to stop: %v after %s; its log is %s", slot.name, err, took.Round(time.Millisecond), slot.log)
		c.fleet.kill(slot)
	}
	return took, err
}

func terminateTwice(c *faultContext) (string, error) {
	const atOnce = 5 * time.Second // on a machine that is busy
	slot := c.anyOne()
	slot.process.wanted.Store(true)
	_ = slot.process.Signal(syscall.SIGTERM) // one that is gone does not mind
	c.wait(c.between(20*time.Millisecond, 300*time.Millisecond))
	began := time.Now()
	_ = slot.process.Signal(syscall.SIGTERM) // one that is gone does not mind
	_ = slot.process.Await(atOnce)
	if !slot.process.Ended() {
		c.violatef("stop", "worker %s lives %s after a second signal; its log is %s", slot.name, atOnce, slot.log)
		c.fleet.kill(slot)
	}
	return fmt.Sprintf("worker %s: gone after %s", slot.name, time.Since(began).Round(time.Millisecond)), c.fleet.start(slot)
}

// join has one more worker come and go, and takes the time that the partitions need.
func join(c *faultContext) (string, error) {
	guest := c.fleet.guest
	if err := c.fleet.start(guest); err != nil {
		return "", err
	}
	share := partitions / (len(c.fleet.slots) + 1)
	spread, even := awaitSpread(c.ctx, c.database.pool, startPatience, func(count map[string]int) bool {
		for _, slot := range c.fleet.everybody() {
			if count[slot.name] < share {
				return false
			}
		}
		return true
	})
	told := make(chan time.Duration, 1)
	go func() { // ends within startPatience; received below
		took, ok := awaitSpread(c.ctx, c.database.pool, startPatience, func(count map[string]int) bool {
			return count[guest.name] == 0 && count[""] == 0
		})
		if !ok {
			took = -1
		}
		told <- took
	}()
	_, err := c.stop(guest)
	handed := <-told
	if even {
		c.noteSpread(spread)
	}
	if handed >= 0 && err == nil {
		c.noteHandOver(handed)
	}
	return fmt.Sprintf("spread evenly after %s, handed over after %s", atMost(spread, even), atMost(handed, handed >= 0)), nil
}

// joinWithClock has a worker join for a while whose wall clock is wrong.
func joinWithClock(c *faultContext) (string, error) {
	guest, offset := c.fleet.guest, c.between(10*time.Second, mostWrong)
	if c.random.IntN(2) == 0 {
		offset = -offset
	}
	if err := c.fleet.startWithClock(guest, offset); err != nil {
		return "", err
	}
	c.wait(c.between(4*time.Second, 7*time.Second))
	took, err := c.stop(guest)
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
