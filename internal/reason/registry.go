package reason

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Registry has the codes of Courier and those of platforms. The zero value knows no
// platform.
type Registry struct {
	platforms map[string]known
	order     []string
}

type known struct {
	title string
	codes []PlatformCode
}

// Add adds a platform's codes; title is its name for people.
func (r *Registry) Add(name, title string, codes []PlatformCode) {
	if r.platforms == nil {
		r.platforms = map[string]known{}
	}
	if _, again := r.platforms[name]; !again {
		r.order = append(r.order, name)
	}
	r.platforms[name] = known{title: title, codes: codes}
}

// Explain says what to do about one error or warning of an item. platform is "" where it is
// not known.
func (r *Registry) Explain(platform string, issue ledger.Issue) Advice {
	if entry, found := Find(Mutation, issue.Code); found {
		return entry.Advice()
	}
	code, err := strconv.Atoi(issue.Code)
	if err != nil {
		code = 0
	}
	if found, ok := r.find(platform, said{code: code, subcode: -1, message: issue.Message, ofItem: true, ofCall: issue.Attribute == ""}); ok {
		return found
	}
	title := cmp.Or(r.platforms[platform].title, "the platform")
	advice := Advice{
		Code: issue.Code, Who: Shop, Replay: Fails, URL: page + "#platform-codes-that-are-not-listed",
		Meaning: sentence(title) + " says this of the item, and documents no meaning of its own for it.",
		Action:  "Do what the message says and publish the item again.",
	}
	if issue.Attribute != "" {
		advice.Meaning = sentence(title) + " does not accept what was sent in " + issue.Attribute + "."
		advice.Action = "Correct " + issue.Attribute + " in the shop's data as the message says, and publish the item again."
	}
	return advice
}

// Letter gives the advice for a dead letter: that of its reason, and then that of each of
// its errors that says more: not of one that names neither a code nor an attribute. None is
// there twice.
func (r *Registry) Letter(platform string, why catalog.Reason, errors []ledger.Issue) []Advice {
	list := []Advice{Of(why)}
	seen := map[string]bool{list[0].URL + list[0].Action: true}
	for _, issue := range errors {
		if issue.Code == "" && issue.Attribute == "" {
			continue
		}
		advice := r.Explain(platform, issue)
		if key := advice.URL + advice.Action; !seen[key] {
			seen[key] = true
			list = append(list, advice)
		}
	}
	return list
}

// inReason finds what a failed call says of itself in the reason of an account or in the
// last error of a batch: "POST items_batch: HTTP 400, code 190, subcode 463: …".
var inReason = regexp.MustCompile(`HTTP (\d{3})(?:, code (-?\d+))?(?:, subcode (\d+))?(?:: (.*))?`)

// Call explains the reason why an account is paused or a batch failed: what the answer to a
// call says. It is not found where the text is about no answer, or its code is unknown.
func (r *Registry) Call(platform, text string) (advice Advice, found bool) {
	match := inReason.FindStringSubmatch(text)
	if match == nil {
		return Advice{}, false
	}
	answer := said{ofCall: true}
	answer.status, _ = strconv.Atoi(match[1])
	answer.code, _ = strconv.Atoi(match[2])
	answer.subcode, _ = strconv.Atoi(match[3])
	answer.message = match[4]
	return r.find(platform, answer)
}

// said is what is known of an answer. A subcode of -1 is not known.
type said struct {
	status, code, subcode int
	message               string
	// ofItem and ofCall say of what the answer may speak: an error that names an attribute
	// is never about a call.
	ofItem, ofCall bool
}

func (r *Registry) find(platform string, answer said) (Advice, bool) {
	codes := r.platforms[platform].codes
	for i := range codes {
		if codes[i].matches(answer) {
			return codes[i].advice(platform, answer.code), true
		}
	}
	return Advice{}, false
}

func (c *PlatformCode) matches(answer said) bool {
	switch {
	case c.Item && !answer.ofItem || !c.Item && !answer.ofCall:
		return false
	case c.Word != "" && !strings.Contains(strings.ToLower(answer.message), c.Word):
		return false
	case c.Code == 0:
		return c.Status != 0 && c.Status == answer.status
	case answer.code < c.Code || answer.code > max(c.Code, c.CodeTo):
		return false
	default:
		// Of an item's error the subcode is not kept: a code that needs a subcode is told
		// by its word.
		return c.Subcode == 0 || c.Subcode == answer.subcode || answer.subcode == -1 && c.Word != ""
	}
}

func (c *PlatformCode) advice(platform string, code int) Advice {
	name := "HTTP " + strconv.Itoa(c.Status)
	if code != 0 {
		name = strconv.Itoa(code)
	}
	return Advice{Code: name, Meaning: c.Meaning, Action: c.Action, Who: c.Who, Replay: c.Replay, URL: page + "#" + c.anchor(platform)}
}

// anchor is the name of the code in docs/errors.md.
func (c *PlatformCode) anchor(platform string) string {
	anchor := platform + "-" + strconv.Itoa(c.Code)
	switch {
	case c.Code == 0:
		anchor = platform + "-http-" + strconv.Itoa(c.Status)
	case c.Code < 0:
		anchor = platform + "-negative"
	case c.Subcode != 0:
		anchor += "-" + strconv.Itoa(c.Subcode)
	}
	if c.Word != "" {
		anchor += "-" + strings.ReplaceAll(strings.Trim(c.Word, "[]/"), " ", "-")
	}
	return anchor
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
