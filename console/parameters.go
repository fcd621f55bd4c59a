package console

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/nearest"
	"github.com/catalog-courier/catalog-courier/internal/span"
	"github.com/catalog-courier/catalog-courier/status"
)

// What may stand in the parameters of the JSON API. A program's filter that is wrong is
// answered 400: ignored, it would choose more than was meant.

// rule says what a value may be.
type rule struct {
	// Says ends the sentence "limit must be …".
	Says    string
	Example string
	// Schema is the same for the OpenAPI document.
	Schema map[string]any
	allows func(text string) bool
}

// longestValue bounds a value of an address, in bytes.
const longestValue = 1024

func textOf(example string) rule { return textUpTo(longestValue, example) }

func textUpTo(bytes int, example string) rule {
	return rule{
		Says: "a text of at most " + count(bytes) + " bytes", Example: example, Schema: map[string]any{"type": "string", "maxLength": bytes},
		allows: func(text string) bool { return len(text) <= bytes },
	}
}

func wholeNumber(least, most int64, example string) rule {
	says, schema := "a whole number, "+count(least)+" to "+count(most), map[string]any{"type": "integer", "minimum": least, "maximum": most}
	if most == maxNumber {
		says, schema = "a whole number, at least "+count(least), map[string]any{"type": "integer", "minimum": least}
	}
	return rule{Says: says, Example: example, Schema: schema, allows: func(text string) bool {
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && n >= least && n <= most
	}}
}

const maxNumber = 1<<63 - 1

// one allows known values.
func one[T ~string](values ...T) rule {
	known := make([]string, len(values))
	for i, value := range values {
		known[i] = string(value)
	}
	says := "one of " + strings.Join(known, ", ")
	if len(known) == 1 {
		says = known[0]
	}
	return rule{
		Says: says, Example: known[0], Schema: map[string]any{"type": "string", "enum": known},
		allows: func(text string) bool { return slices.Contains(known, text) },
	}
}

func pattern(says, example, form string, allows func(text string) bool) rule {
	matches := regexp.MustCompile(form)
	return rule{
		Says: says, Example: example, Schema: map[string]any{"type": "string", "pattern": form},
		allows: func(text string) bool { return matches.MatchString(text) && allows(text) },
	}
}

// Rules that several parameters have.
var (
	lengthOf = func(least, most int, example string) rule {
		return rule{
			Says: "a text of " + strconv.Itoa(least) + " to " + strconv.Itoa(most) + " characters", Example: example,
			Schema: map[string]any{"type": "string", "minLength": least, "maxLength": most},
			allows: func(text string) bool {
				length := utf8.RuneCountInString(strings.TrimSpace(text))
				return length >= least && length <= most
			},
		}
	}
	pointInTime = pattern("a time, or how long ago: 2h, 7d, 2026-11-28 or 2026-11-28T09:00:00Z, which is UTC where no zone is named", "2026-11-28T09:00:00Z", `^[0-9][0-9TZhms:.dw +-]*$`,
		func(text string) bool { _, err := span.Since(text, time.UTC, time.Now()); return err == nil })
	lengthOfTime = pattern("a length such as 30m, 2h, 1h30m, 7d or 2w, at least 1s", "2h", `^[0-9][0-9hmsdw.]*$`,
		func(text string) bool { _, err := span.Length(text); return err == nil })
	timeToCome = pattern("a time to come, such as 2099-12-01T10:00Z", "2099-12-01T10:00Z", `^[0-9][0-9TZ:.+ -]*$`,
		func(text string) bool { _, err := span.Until(text, time.UTC, time.Now()); return err == nil })
	timeZone = pattern("the name of a time zone", "Europe/Warsaw", `^[A-Za-z][A-Za-z0-9_+/-]*$`,
		func(text string) bool { _, err := time.LoadLocation(text); return err == nil && text != "Local" })
	step = pattern("a multiple of five minutes", "15m", `^[0-9][0-9hms.]*$`, func(text string) bool {
		length, err := time.ParseDuration(text)
		return err == nil && length >= fineStep && length%fineStep == 0
	})
	batchID = pattern("the id of a batch", "01a22495-0000-7000-8000-000000000001", `^[0-9A-Fa-f-]+$`,
		func(text string) bool { _, err := uuid.Parse(text); return err == nil })
	place  = pattern("next of the page before", "0.4711", `^[0-9]+\.[0-9]+(\.[0-9]+)?$`, func(text string) bool { return status.Place(text).Check() == nil })
	cursor = pattern("next of the page before", "eyJpIjoiU0tVLTEifQ", `^[A-Za-z0-9_-]+$`, func(text string) bool { return status.Cursor(text).Check() == nil })
	serial = wholeNumber(1, maxNumber, "7")
)

// wrongField is a parameter whose value is not allowed, as a program is told.
type wrongField struct {
	Field   string `json:"field"`
	Rule    string `json:"rule"`
	Example string `json:"example,omitempty"`
}

func (w wrongField) String() string {
	text := w.Field + " " + w.Rule
	if w.Example != "" {
		text += ", such as " + w.Example
	}
	return text + "."
}

// refuseFields is the refusal of a request whose parameters are wrong.
func refuseFields(wrong ...wrongField) error {
	texts := make([]string, len(wrong))
	for i, one := range wrong {
		texts[i] = one.String()
	}
	return &refusal{code: http.StatusBadRequest, text: strings.Join(texts, " "), fields: wrong}
}

// checked lets only requests through whose parameters are as they are described.
func (e *endpoint) checked(next serve) serve {
	return func(w http.ResponseWriter, r *http.Request) error {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return refuse(http.StatusBadRequest, "The address holds parameters that cannot be read: percent-encode what is special in them.")
		}
		var wrong []wrongField
		for _, p := range e.pathParameters() {
			wrong = append(wrong, p.check([]string{r.PathValue(p.Name)})...)
		}
		wrong = append(wrong, wrongOf(query, e.Query)...)
		if r.Method == http.MethodPost {
			if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != formType {
				return refuse(http.StatusUnsupportedMediaType, "Send the fields as a form: Content-Type: "+formType+".")
			}
			wrong = append(wrong, wrongOf(r.PostForm, e.Form)...)
			if wrong == nil && e.together != nil {
				wrong = e.together(r.PostForm)
			}
		}
		if wrong != nil {
			return refuseFields(wrong...)
		}
		return next(w, r)
	}
}

const formType = "application/x-www-form-urlencoded"

// maxToldFields bounds how many wrong fields one answer names.
const maxToldFields = 50

// wrongOf lists what is wrong: unknown names first, then the parameters in their order.
func wrongOf(values url.Values, parameters []parameter) (wrong []wrongField) {
	names := make([]string, len(parameters))
	for i, p := range parameters {
		names[i] = p.Name
	}
	unknown := make([]string, 0, len(values))
	for name := range values {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown[:min(len(unknown), maxToldFields)] {
		says := "is not known here: there are none"
		if len(names) > 0 {
			says = "is not known here: there are " + strings.Join(names, ", ")
		}
		wrong = append(wrong, wrongField{Field: name, Rule: says, Example: nearest.To(name, names)})
	}
	for _, p := range parameters {
		wrong = append(wrong, p.check(values[p.Name])...)
	}
	return wrong
}

// check says what is wrong with the values of a parameter. An empty value counts as left out.
func (p *parameter) check(values []string) []wrongField {
	given := slices.DeleteFunc(slices.Clone(values), func(text string) bool { return text == "" })
	told := func(format string, args ...any) []wrongField {
		return []wrongField{{Field: p.Name, Rule: fmt.Sprintf(format, args...), Example: p.Rule.Example}}
	}
	switch {
	case len(given) == 0 && p.Required:
		return told("is required: it must be %s", p.Rule.Says)
	case len(given) > 1 && !p.Many:
		return told("is given %d times: give it once", len(given))
	case len(given) > maxChosen:
		return told("is given %s times: at most %s", count(len(given)), count(maxChosen))
	}
	for _, text := range given {
		if !p.Rule.allows(text) {
			return told("must be %s", p.Rule.Says)
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// pathParameters are the parts of the path that are not fixed.
func (e *endpoint) pathParameters() (list []parameter) {
	for _, name := range placeholder.FindAllStringSubmatch(e.Path, -1) {
		one := parameter{Name: name[1], Required: true, Rule: serial}
		switch {
		case name[1] == "name":
			one.Rule = textOf("acme")
		case strings.HasPrefix(e.Path, "/api/v1/batches/"):
			one.Rule = batchID
		}
		list = append(list, one)
	}
	return list
}

// chosenTogether says what is wrong between the fields that choose dead letters: numbers
// choose alone, and a filter only where it is to choose.
func chosenTogether(form url.Values) []wrongField {
	all, numbers := form.Get("scope") == scopeAll, slices.ContainsFunc(form["id"], func(text string) bool { return text != "" })
	switch {
	case all && numbers:
		return []wrongField{{Field: "id", Rule: "must be left out with scope=all", Example: ""}}
	case !all && !numbers:
		return []wrongField{{Field: "id", Rule: "is required, or scope=all with a filter", Example: "7"}}
	case all:
		return nil
	}
	var wrong []wrongField
	for _, key := range letterKeys {
		if form.Get(key) != "" {
			wrong = append(wrong, wrongField{Field: key, Rule: "chooses only with scope=all: leave it out beside id"})
		}
	}
	return wrong
}

const scopeAll = "all"
