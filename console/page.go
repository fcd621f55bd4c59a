package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

//go:embed templates
var templates embed.FS

// page is what the layout of every page needs.
type page struct {
	Title string
	// Nav is the entry of the navigation that the page belongs to.
	Nav     string
	Console *Console
	Who     Identity
	// Acts says that whoever looks may act.
	Acts bool
	// Live is the address that the live part is refreshed from; "" for a page that is not.
	Live string
	// Done is what an action that led here did.
	Done string
	Data any

	query url.Values
	path  string
	zone  *time.Location
	now   time.Time
}

const zoneCookie = "courier_zone"

func (c *Console) page(r *http.Request, title, nav string) *page {
	who := identityOf(r.Context())
	return &page{
		Title: title, Nav: nav, Console: c, Who: who, Acts: who.Role == Operator && c.Do != nil,
		query: r.URL.Query(), path: r.URL.Path, zone: zoneOf(r), now: c.now(), Done: doneOf(r),
	}
}

// doneOf is what an action did, where the console itself sent the browser here. A link of
// another site, or of a message, must not put words into the console's mouth.
func doneOf(r *http.Request) string {
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" {
		return ""
	}
	return r.URL.Query().Get("done")
}

// live has the page refreshed: it shows what changes by itself.
func (p *page) live() *page {
	query := p.query
	query.Del("done")
	p.Live = p.path
	if len(query) > 0 {
		p.Live += "?" + query.Encode()
	}
	return p
}

// zoneOf is the time zone that the address names, or the browser's, which the script keeps
// in a cookie; UTC without either.
func zoneOf(r *http.Request) *time.Location {
	name := r.URL.Query().Get("zone")
	if cookie, err := r.Cookie(zoneCookie); name == "" && err == nil {
		name, _ = url.QueryUnescape(cookie.Value)
	}
	const longest = 64
	if name == "" || name == "Local" || len(name) > longest {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// parsePages reads each page with the layout and the parts that pages share.
func (c *Console) parsePages() (map[string]*template.Template, error) {
	shared, err := template.New("layout").Funcs(c.functions()).ParseFS(templates, "templates/layout.html", "templates/part_*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the layout: %w", err)
	}
	entries, err := templates.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, entry := range entries {
		name, _, _ := strings.Cut(entry.Name(), ".")
		if name == "layout" || strings.HasPrefix(name, "part_") {
			continue
		}
		own, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if pages[name], err = own.ParseFS(templates, "templates/"+entry.Name()); err != nil {
			return nil, fmt.Errorf("reading page %s: %w", name, err)
		}
	}
	return pages, nil
}

// render writes a page; one that cannot be made is answered 500 as a whole, never by half.
func (c *Console) render(w http.ResponseWriter, code int, name string, p *page) {
	var made bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&made, "layout", p); err != nil {
		c.Logger.Error("a page of the console cannot be made", slog.String("page", name), slog.String("error", err.Error()))
		http.Error(w, "This page cannot be made. The log of the console says more.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(visible(made.Bytes())) // the browser may have gone
}

// Asset is the address of a file.
func (p *page) Asset(file string) (string, error) { return p.Console.asset(file) }

func (c *Console) asset(file string) (string, error) {
	found, ok := c.assets.byFile[file]
	if !ok {
		return "", fmt.Errorf("there is no file %s", file)
	}
	return c.Prefix + "/static/" + found.name, nil
}

// Link is the address of a page, with pairs of a key and a value behind it. Empty values are
// left out.
func (p *page) Link(path string, pairs ...any) string { return p.Console.link(path, pairs...) }

func (c *Console) link(path string, pairs ...any) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := fmt.Sprint(pairs[i+1]); value != "" {
			query.Set(fmt.Sprint(pairs[i]), value)
		}
	}
	address := c.Prefix + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// With is the address of this page with other values; an empty one removes its key.
func (p *page) With(pairs ...any) string {
	query := url.Values{}
	for key, values := range p.query {
		query[key] = slices.Clone(values)
	}
	query.Del("done")
	for i := 0; i+1 < len(pairs); i += 2 {
		key, value := fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])
		query.Del(key)
		if value != "" {
			query.Set(key, value)
		}
	}
	if len(query) == 0 {
		return p.path
	}
	return p.path + "?" + query.Encode()
}

// Query is a value of the page's address.
func (p *page) Query(key string) string { return p.query.Get(key) }

// Zone is the time zone that times are shown in.
func (p *page) Zone() string {
	name, _ := p.now.In(p.zone).Zone()
	if p.zone == time.UTC {
		return "UTC"
	}
	return p.zone.String() + " (" + name + ")"
}

// Time shows a time in the page's zone, with UTC on hover. It takes a time.Time or a
// pointer; of nil and of the zero time it shows a dash.
func (p *page) Time(value any) template.HTML {
	at, known := timeOf(value)
	if !known {
		return dash
	}
	local := at.In(p.zone)
	layout := "2 Jan 15:04:05"
	if local.Year() != p.now.In(p.zone).Year() {
		layout = "2 Jan 2006 15:04"
	}
	return p.timeElement(at, local.Format(layout))
}

// moments are the times in a sentence of a view, in UTC.
var moments = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)

// Sentence shows a sentence of a view with its times in the zone of the reader.
func (p *page) Sentence(text string) template.HTML {
	var shown strings.Builder
	from := 0
	for _, place := range moments.FindAllStringIndex(text, -1) {
		at, err := time.Parse(ledger.MomentLayout, text[place[0]:place[1]])
		if err != nil {
			continue // no time: it is shown as it is
		}
		shown.WriteString(template.HTMLEscapeString(text[from:place[0]]))
		shown.WriteString(string(p.Time(at)))
		from = place[1]
	}
	shown.WriteString(template.HTMLEscapeString(text[from:]))
	return template.HTML(shown.String()) //nolint:gosec // what is text is escaped
}

// Clock shows a time of a day that is said beside it.
func (p *page) Clock(value any) template.HTML {
	at, known := timeOf(value)
	if !known {
		return dash
	}
	return p.timeElement(at, at.In(p.zone).Format("15:04:05"))
}

// Ago shows how long ago a time is, or in how long it comes.
func (p *page) Ago(value any) template.HTML {
	at, known := timeOf(value)
	if !known {
		return dash
	}
	return p.timeElement(at, ago(p.now.Sub(at)))
}

const dash = template.HTML(`<span class="quiet">–</span>`)

func (p *page) timeElement(at time.Time, text string) template.HTML {
	utc := at.UTC()
	local := at.In(p.zone).Format("2006-01-02 15:04:05 MST")
	title := utc.Format("2006-01-02 15:04:05.000") + " UTC"
	if p.zone != time.UTC {
		title = local + " · " + title
	}
	return template.HTML(`<time datetime="` + utc.Format(time.RFC3339Nano) + `" title="` + //nolint:gosec // digits and names of zones, escaped
		template.HTMLEscapeString(title) + `">` + template.HTMLEscapeString(text) + `</time>`)
}

func timeOf(value any) (time.Time, bool) {
	switch value := value.(type) {
	case time.Time:
		return value, !value.IsZero()
	case *time.Time:
		if value != nil {
			return *value, true
		}
	}
	return time.Time{}, false
}

// ago says a span in the largest unit that fits, such as "3 min ago" or "in 2 h".
func ago(span time.Duration) string {
	size := span.Abs()
	var text string
	switch {
	case size < 2*time.Second:
		return "now"
	case size < 2*time.Minute:
		text = strconv.Itoa(int(size.Seconds())) + " s"
	case size < 2*time.Hour:
		text = strconv.Itoa(int(size.Minutes())) + " min"
	case size < 48*time.Hour:
		text = strconv.Itoa(int(size.Hours())) + " h"
	default:
		text = strconv.Itoa(int(size.Hours()/24)) + " days"
	}
	if span < 0 {
		return "in " + text
	}
	return text + " ago"
}

// functions are what templates call.
func (c *Console) functions() template.FuncMap {
	return template.FuncMap{
		"advised":     advised,
		"badge":       c.badge,
		"tone":        func(status string) string { return tones[status].class },
		"icon":        c.icon,
		"count":       count,
		"bytes":       byteSize,
		"pretty":      pretty,
		"json":        func(v any) (string, error) { b, err := json.MarshalIndent(v, "", "  "); return string(b), err },
		"reason":      reasonName,
		"dict":        dict,
		"failed":      func(n *int32) bool { return n != nil && *n > 0 },
		"list":        func(values ...any) []any { return values },
		"plural":      plural,
		"sentence":    sentence,
		"short":       func(v any) string { s := fmt.Sprint(v); return s[max(0, len(s)-8):] },
		"join":        strings.Join,
		"title":       status.Title,
		"actionWords": actionWords,
		"actionNames": persistence.ActionNames,
	}
}

// advised reports that an error has an advice of its own, which says more than the general one.
func advised(issues []status.Issue) bool {
	return slices.ContainsFunc(issues, func(issue status.Issue) bool { return issue.Advice != "" })
}

func dict(pairs ...any) map[string]any {
	made := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		made[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return made
}

func plural(n any, one, many string) string {
	text := count(n)
	if text == "1" {
		return text + " " + one
	}
	return text + " " + many
}

// count writes a number with its thousands apart; a nil pointer is a dash.
func count(value any) string {
	var n int64
	switch value := value.(type) {
	case int:
		n = int64(value)
	case int32:
		n = int64(value)
	case int64:
		n = value
	case *int32:
		if value == nil {
			return "–"
		}
		n = int64(*value)
	case *int64:
		if value == nil {
			return "–"
		}
		n = *value
	default:
		return fmt.Sprint(value)
	}
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func byteSize(n int64) string {
	const kib = 1 << 10
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(n), 0
	for size >= kib && unit+1 < len(units) {
		size, unit = size/kib, unit+1
	}
	if unit == 0 {
		return strconv.FormatInt(n, 10) + " B"
	}
	return strconv.FormatFloat(size, 'f', 1, 64) + " " + units[unit]
}

// maxShown bounds a body on a page; the whole can be downloaded.
const maxShown = 256 << 10

// pretty indents JSON; what is none stays as it is.
func pretty(body []byte) string {
	var indented bytes.Buffer
	if len(body) <= maxShown && json.Indent(&indented, body, "", "  ") == nil {
		body = indented.Bytes()
	}
	if len(body) > maxShown {
		return strings.ToValidUTF8(string(body[:maxShown]), "\uFFFD") + "\n… (cut)"
	}
	return strings.ToValidUTF8(string(body), "\uFFFD")
}
