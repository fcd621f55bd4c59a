package persistence

import "time"

// HoldGroups keeps requests waiting until release is called: then all of them join one group.
func (s *Store) HoldGroups() (release func()) {
	g := &s.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	former := g.wait
	g.running += groupsAtOnce
	g.wait = time.Hour
	return func() {
		g.mu.Lock()
		g.wait = former
		g.mu.Unlock()
		for range groupsAtOnce {
			g.next()
		}
	}
}

// TakeGroups is HoldGroups with the ordinary wait.
func (s *Store) TakeGroups() (release func()) {
	release = s.HoldGroups()
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	s.groups.wait = longestWait
	return release
}

// WaitingForGroup is how many requests wait.
func (s *Store) WaitingForGroup() int {
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	return len(s.groups.waiting)
}

// Running is how many transactions are under way, those that are held among them.
func (s *Store) Running() int {
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	return s.groups.running
}
