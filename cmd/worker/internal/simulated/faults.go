package simulated

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// FaultsPath is where the switches of the simulated platforms are read (GET), set (POST,
// one a line) and turned off (DELETE).
const FaultsPath = "/faults"

// faults are what each platform was told to do wrong.
type faults struct {
	platforms []Platform

	mu       sync.Mutex
	switches map[string]sandbox.Switches // by platform
	outage   map[string]time.Time        // its end
}

const outage = "outage"

func newFaults(platforms []Platform) *faults {
	f := &faults{platforms: platforms, switches: map[string]sandbox.Switches{}, outage: map[string]time.Time{}}
	for _, one := range platforms {
		f.switches[one.Name] = sandbox.Switches{}
	}
	return f
}

// set sets all or, when one is wrong, none. Each is such as 429=10%, for all platforms, or
// meta/429=10% for one.
func (f *faults) set(texts []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	type setting struct {
		platform string
		text     string
	}
	var wanted []setting
	for _, text := range texts {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		names, text, err := f.split(text)
		if err == nil {
			err = sandbox.Switches{}.Set(text)
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			wanted = append(wanted, setting{name, text})
		}
	}
	for _, one := range wanted {
		if err := f.switches[one.platform].Set(one.text); err != nil {
			return err
		}
		if name, _, _ := strings.Cut(one.text, "="); strings.EqualFold(strings.TrimSpace(name), outage) {
			took, err := time.ParseDuration(f.switches[one.platform][outage])
			if err != nil {
				return err
			}
			f.outage[one.platform] = time.Now().Add(took)
		}
	}
	f.apply()
	return nil
}

// split takes the platform's name off, which stands for one instead of all.
func (f *faults) split(text string) (names []string, rest string, err error) {
	name, rest, found := strings.Cut(text, "/")
	for _, one := range f.platforms {
		if !found || one.Name == strings.TrimSpace(name) {
			names = append(names, one.Name)
		}
	}
	if !found {
		rest = text
	}
	if len(names) == 0 {
		return nil, "", fmt.Errorf("%w: there is no simulated platform %q", sandbox.ErrSwitch, name)
	}
	return names, rest, nil
}

// apply has the platforms do what is on; of an outage, what is left of it.
func (f *faults) apply() {
	for _, one := range f.platforms {
		f.forgetPast(one.Name)
		one.SetSwitches(f.switches[one.Name])
	}
}

func (f *faults) forgetPast(name string) {
	left := time.Until(f.outage[name])
	if left <= 0 {
		delete(f.switches[name], outage)
		return
	}
	f.switches[name][outage] = left.Round(time.Millisecond).String()
}

func (f *faults) off() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.platforms {
		f.switches[one.Name] = sandbox.Switches{}
	}
	clear(f.outage)
	f.apply()
}

// lines are what is on, by platform.
func (f *faults) lines() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var text strings.Builder
	for _, one := range f.platforms {
		f.forgetPast(one.Name)
		for _, line := range f.switches[one.Name].Lines() {
			fmt.Fprintf(&text, "%s/%s\n", one.Name, line)
		}
	}
	if text.Len() == 0 {
		return "no fault is on\n"
	}
	return text.String()
}

// ServeHTTP implements http.Handler. A request of a web page is refused: who may use a
// browser on this machine need not be who runs the platforms.
func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method != http.MethodGet && r.Header.Get("Origin") != "" {
		http.Error(w, "not from a web page", http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		f.off()
	case http.MethodPost:
		const most = 16 << 10
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
		if err == nil {
			err = f.set(strings.Fields(string(body)))
		}
		if err != nil {
			status := http.StatusBadRequest
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				status = http.StatusRequestEntityTooLarge
			}
			http.Error(w, err.Error(), status)
			return
		}
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		http.Error(w, "GET, POST or DELETE", http.StatusMethodNotAllowed)
		return
	}
	_, _ = io.WriteString(w, f.lines())
}
