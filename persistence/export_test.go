package persistence

import "time"

// HoldFlights keeps requests from leaving until release is called: then all of them share a
// flight.
func (s *Store) HoldFlights() (release func()) {
	f := &s.flights
	f.mu.Lock()
	defer f.mu.Unlock()
	former := f.patience
	f.flying += flightsAtOnce
	f.patience = time.Hour
	return func() {
		f.mu.Lock()
		f.patience = former
		f.mu.Unlock()
		for range flightsAtOnce {
			f.next()
		}
	}
}

// TakeFlights is HoldFlights with the ordinary patience.
func (s *Store) TakeFlights() (release func()) {
	release = s.HoldFlights()
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	s.flights.patience = longestWait
	return release
}

// WaitingForFlight is how many requests wait.
func (s *Store) WaitingForFlight() int {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	return len(s.flights.waiting)
}

// Flying is how many flights are under way, those that are held among them.
func (s *Store) Flying() int {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	return s.flights.flying
}
