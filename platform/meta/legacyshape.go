package meta

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

const maxVariants = 100

// variants writes the labels of a variant as one object of label and value. Three
// forms are read: "Scent:Fruity,Flavor:Apple", a list of objects with variant_label
// and variant_value, and the object itself.
func (t *translation) variants(name string, m rawjson.Member) (why string) {
	if (m.Kind == rawjson.String && m.Text == "") || strings.HasPrefix(m.Raw, "{") {
		return t.same(name, m)
	}
	const wrong = `must be written as "Scent:Fruity,Flavor:Apple", or as a list of objects with variant_label and variant_value`
	var labels []string
	t.name(name)
	t.dst = append(t.dst, '{')
	add := func(label string, value []byte) {
		if label == "" || slices.Contains(labels, label) || len(labels) == maxVariants {
			why = "has a label that is empty or stands twice, or more than a hundred labels"
			return
		}
		labels = append(labels, label)
		if len(labels) > 1 {
			t.dst = append(t.dst, ',')
		}
		t.dst = append(append(rawjson.AppendString(t.dst, label), ':'), value...)
	}
	if m.Kind == rawjson.String {
		for pair := range strings.SplitSeq(m.Text, ",") {
			label, value, found := strings.Cut(pair, ":")
			if !found {
				return wrong
			}
			add(strings.TrimSpace(label), rawjson.AppendString(nil, strings.TrimSpace(value)))
		}
	} else {
		list := gjson.Parse(m.Raw)
		if !list.IsArray() {
			return wrong
		}
		list.ForEach(func(_, each gjson.Result) bool {
			label, value := each.Get("variant_label"), each.Get("variant_value")
			if label.Type != gjson.String || value.Type != gjson.String {
				why = wrong
				return false
			}
			add(label.Str, []byte(value.Raw))
			return why == ""
		})
	}
	t.dst = append(t.dst, '}')
	return why
}

// appPlatforms are the platforms of app links: in items_batch the beginning of a
// name, in batch an object's name.
var appPlatforms = []struct {
	name    string
	members []string
}{
	{"ios", []string{"url", "app_store_id", "app_name"}},
	{"iphone", []string{"url", "app_store_id", "app_name"}},
	{"ipad", []string{"url", "app_store_id", "app_name"}},
	{"android", []string{"url", "package", "class", "app_name"}},
	{"windows_phone", []string{"url", "app_id", "app_name"}},
}

// appLinks nests the flat names: {"ios_url":"a"} becomes {"ios":[{"url":"a"}]}. The
// reference's example puts applinks beside the data; its table of fields and the
// newer guide put them inside, as here.
func (t *translation) appLinks(name string, m rawjson.Member) (why string) {
	if m.Kind == rawjson.String && m.Text == "" {
		return t.same(name, m)
	}
	links := gjson.Parse(m.Raw)
	if !links.IsObject() {
		return "must be an object for the endpoint batch"
	}
	links.ForEach(func(key, _ gjson.Result) bool {
		if !isAppLink(key.Str) {
			why = "has a member that batch does not know: only ios_, iphone_, ipad_, android_ and windows_phone_ ones are"
		}
		return why == ""
	})
	if why != "" {
		return why
	}
	t.name(name)
	t.dst = append(t.dst, '{')
	for _, app := range appPlatforms {
		t.appLink(app.name, app.members, links)
	}
	t.dst = append(t.dst, '}')
	return ""
}

func (t *translation) appLink(app string, members []string, links gjson.Result) {
	opened := false
	links.ForEach(func(key, value gjson.Result) bool {
		short, ok := appLinkOf(app, members, key.Str)
		if !ok {
			return true
		}
		if !opened {
			opened = true
			t.name(app)
			t.dst = append(t.dst, `[{`...)
		}
		t.name(short)
		raw := value.Raw
		if short == "app_store_id" && value.Type == gjson.String && isNumber(value.Str) {
			raw = value.Str // a number in both of Meta's examples
		}
		t.dst = append(t.dst, raw...)
		return true
	})
	if opened {
		t.dst = append(t.dst, `}]`...)
	}
}

func isNumber(text string) bool {
	return text != "" && len(text) <= maxPriceDigits && text[0] != '0' && allDigits(text)
}

func isAppLink(name string) bool {
	return slices.ContainsFunc(appPlatforms, func(app struct {
		name    string
		members []string
	},
	) bool {
		_, ok := appLinkOf(app.name, app.members, name)
		return ok
	})
}

// appLinkOf is the nested name of a flat one: url of ios_url.
func appLinkOf(app string, members []string, flat string) (short string, ok bool) {
	rest, ok := strings.CutPrefix(flat, app)
	if !ok || rest == "" || rest[0] != '_' {
		return "", false
	}
	return rest[1:], slices.Contains(members, rest[1:])
}
