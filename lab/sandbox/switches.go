package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Switches are misbehaviours of a platform by name, as a person asks for them, such as
// 429=10% or outage=30s. Use Set to fill one.
type Switches map[string]string

// switchable says what a name with a share of the calls or of the items stands for.
type switchable struct {
	name string
	does string
	post FaultKind
	poll FaultKind
	item ItemAction
}

// outageSwitch is the one with a time.
const outageSwitch = "outage"

var switchables = []switchable{
	{name: "rejected", item: RefuseItem, does: "share of items that are rejected"},
	{name: "omitted", item: OmitItem, does: "share of items that the result leaves out"},
	{name: "failed", post: FailBatch, does: "share of batches that fail as a whole"},
	{name: "400", post: RefuseBatch, does: "share of POSTs refused without a reason"},
	{name: "401", post: TokenRevoked, poll: TokenRevoked, does: "share of calls whose access token is refused"},
	{name: "403", post: Forbidden, poll: Forbidden, does: "share of calls that the account may not make"},
	{name: "429", post: RateLimited, does: "share of POSTs refused for the quota"},
	{name: "500", post: ServerError, poll: ServerError, does: "share of calls answered with a server error"},
	{name: "html", post: HTMLError, poll: HTMLError, does: "share of calls answered by a proxy's page"},
	{name: "reset", post: Reset, poll: Reset, does: "share of calls whose connection breaks before the work"},
	{name: "lost", post: ResetAfter, does: "share of POSTs that are taken but whose answer is lost"},
	{name: "hang", post: Hang, does: "share of POSTs that are never answered and applied late"},
}

// ErrSwitch is wrapped by the errors of Switches.Set.
var ErrSwitch = errors.New("not a fault")

// Set turns one on, or off with 0. The name may be of any case.
func (s Switches) Set(text string) error {
	name, value, found := strings.Cut(strings.TrimSpace(text), "=")
	name = strings.ToLower(strings.TrimSpace(name))
	value = strings.TrimSpace(value)
	if !found {
		return fmt.Errorf("%w: %q has no value; write it like 429=10%% or outage=30s", ErrSwitch, text)
	}
	if name == outageSwitch {
		took, err := time.ParseDuration(value)
		if err != nil || took < 0 || took > 24*time.Hour {
			return fmt.Errorf("%w: %q: how long, such as outage=30s, at most 24h", ErrSwitch, text)
		}
		s[name] = took.String()
		return nil
	}
	if !slices.ContainsFunc(switchables, func(known switchable) bool { return known.name == name }) {
		return fmt.Errorf("%w: %q; known are %s", ErrSwitch, name, strings.Join(SwitchNames(), ", "))
	}
	share, err := shareOf(value)
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrSwitch, text, err)
	}
	if share == 0 {
		delete(s, name)
		return nil
	}
	s[name] = strconv.FormatFloat(100*share, 'g', -1, 64) + "%"
	return nil
}

func shareOf(value string) (float64, error) {
	number, percent := strings.CutSuffix(value, "%")
	share, err := strconv.ParseFloat(number, 64)
	if err != nil || !(share >= 0 && share <= 100) || (!percent && share > 1) {
		return 0, errors.New("a share, such as 10% or 0.1")
	}
	if percent {
		share /= 100
	}
	return share, nil
}

// SwitchNames are all names, sorted.
func SwitchNames() []string {
	names := make([]string, 1, 1+len(switchables))
	names[0] = outageSwitch
	for _, known := range switchables {
		names = append(names, known.name)
	}
	slices.Sort(names)
	return names
}

// SwitchHelp says in a line each what the names stand for.
func SwitchHelp() string {
	var text strings.Builder
	for _, known := range switchables {
		fmt.Fprintf(&text, "  %-9s %s\n", known.name, known.does)
	}
	fmt.Fprintf(&text, "  %-9s every call is answered with a server error for so long\n", outageSwitch)
	return text.String()
}

// Lines are the switches as they were set, sorted.
func (s Switches) Lines() []string {
	lines := make([]string, 0, len(s))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		lines = append(lines, name+"="+s[name])
	}
	return lines
}

// SetSwitches implements Platform. An outage begins now.
func (c *Core) SetSwitches(switches Switches) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Options.Plan, c.shares, c.outage = nil, nil, time.Time{}
	for _, known := range switchables {
		share, err := shareOf(switches[known.name])
		if err != nil {
			continue // it is off
		}
		if known.item != "" {
			c.shares = append(c.shares, ItemRule{Action: known.item, Rate: share, rejectsUnnamed: known.item == OmitItem && c.dialect.NamesRejected})
		}
		if known.post != "" {
			c.Options.Plan = append(c.Options.Plan, PlannedFault{Call: Submit, Fault: Fault{Kind: known.post, Duration: magicLimit}, Rate: share})
		}
		if known.poll != "" {
			c.Options.Plan = append(c.Options.Plan, PlannedFault{Call: Poll, Fault: Fault{Kind: known.poll}, Rate: share})
		}
	}
	if took, err := time.ParseDuration(switches[outageSwitch]); err == nil {
		c.outage = time.Now().Add(took)
	}
}
