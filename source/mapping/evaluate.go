package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// evaluation is one record on its way through the rules.
type evaluation struct {
	settings
	root     map[string]any
	findings []Finding
}

// maxFindings bounds the findings of one record.
const maxFindings = 50

// report adds a finding. One of the same kind and field is counted: a list of a thousand
// elements has one finding and not a thousand.
func (e *evaluation) report(kind string, severity Severity, field string, value any, rule string) {
	for i := range e.findings {
		if same := &e.findings[i]; same.Kind == kind && same.Severity == severity && same.Field == field {
			same.More++
			return
		}
	}
	if len(e.findings) < maxFindings || severity == Error && !e.invalid() {
		e.findings = append(e.findings, Finding{Kind: kind, Severity: severity, Field: field, Value: show(value), Rule: rule})
	}
}

func (e *evaluation) invalid() bool {
	return slices.ContainsFunc(e.findings, func(f Finding) bool { return f.Severity == Error })
}

// value is nil where the rule gives none.
func (e *evaluation) value(r *rule, record map[string]any) any {
	if r.when != nil {
		applies, err := r.when.decide(record)
		if err != nil {
			e.report(KindCondition, Error, r.attribute, "", "the condition of the rule cannot decide: "+err.Error())
			return nil
		}
		if !applies {
			return nil
		}
	}
	raw := e.source(r, record)
	if empty(raw) {
		return nil
	}
	if len(r.object) > 0 && !r.each || len(r.alternates) > 0 {
		return raw // its parts are converted already
	}
	if r.each {
		return listOrNil(e.elements(r, raw))
	}
	switch r.as {
	case asJSON:
		return raw
	case asList:
		elements := e.elements(r, raw)
		list := make([]any, 0, len(elements))
		for _, element := range elements {
			if text, ok := scalar(element); ok {
				if text = e.text(r, text); text != "" {
					list = append(list, boxed(element, text))
				}
			}
		}
		return listOrNil(list)
	case asShippingText, asShippingList:
		return e.shipping(r, raw)
	case asWindow:
		return e.window(r, raw)
	default:
		return e.single(r, raw)
	}
}

func (e *evaluation) source(r *rule, record map[string]any) any {
	switch {
	case r.alternates != nil:
		for i := range r.alternates {
			if value := e.value(&r.alternates[i], record); value != nil {
				return value
			}
		}
		return nil
	case r.constant != nil:
		return r.constant
	case r.template != nil:
		text, missing := r.template.fill(record, nil)
		if missing != "" {
			return nil
		}
		return text
	case r.jq != nil:
		value, err := r.jq.run(record)
		if err != nil {
			e.report(KindJQ, Error, r.attribute, "", "the jq program fails: "+err.Error())
			return nil
		}
		return value
	case len(r.object) > 0 && !r.each:
		if members := e.members(make(object, 0, len(r.object)), r.object, record); len(members) > 0 {
			return members
		}
		return nil
	}
	for i := range r.from {
		if value := r.from[i].lookup(record); !empty(value) {
			return value
		}
	}
	return nil
}

// members appends what rules give that are sorted by attribute.
func (e *evaluation) members(members object, rules []rule, record map[string]any) object {
	for i := range rules {
		if value := e.value(&rules[i], record); value != nil {
			members = append(members, member{rules[i].attribute, value})
		}
	}
	return members
}

// elements is a list of the values; each of them goes through the object of the rule.
func (e *evaluation) elements(r *rule, raw any) []any {
	var elements []any
	switch raw := raw.(type) {
	case []any:
		elements = raw
		if len(raw) == 1 && r.split != "" {
			if cell, ok := raw[0].(string); ok {
				elements = splitList(cell, r.split)
			}
		}
	case string:
		if r.split != "" {
			elements = splitList(raw, r.split)
			break
		}
		elements = []any{raw}
	default:
		elements = []any{raw}
	}
	if !r.each {
		return elements
	}
	objects := make([]any, 0, len(elements))
	for _, element := range elements {
		members, ok := element.(map[string]any)
		if !ok {
			members = map[string]any{"value": element}
		}
		if inner := e.members(make(object, 0, len(r.object)), r.object, members); len(inner) > 0 {
			objects = append(objects, inner)
		}
	}
	return objects
}

// betweenAddresses is how Meta separates addresses.
var betweenAddresses = regexp.MustCompile(`[\s,;|]+https?://`)

// splitList splits a cell. In a list of addresses a part that does not begin as one belongs
// to the address before it: addresses of pictures have commas. There a comma, semicolon, bar or
// blank before the next address separates, too.
func splitList(cell, separator string) []any {
	var elements []any
	if !isAddress(cell) {
		for part := range strings.SplitSeq(cell, separator) {
			elements = append(elements, part)
		}
		return elements
	}
	add := func(addresses string) {
		start := 0
		for _, at := range betweenAddresses.FindAllStringIndex(addresses, -1) {
			next := at[0] + strings.IndexByte(addresses[at[0]:], 'h')
			elements = append(elements, address(addresses[start:next]))
			start = next
		}
		elements = append(elements, address(addresses[start:]))
	}
	start := 0 // of the element
	for end := 0; end < len(cell); {
		found := strings.Index(cell[end:], separator)
		if found < 0 {
			break
		}
		next := end + found
		if end = next + len(separator); isAddress(cell[end:]) {
			add(cell[start:next])
			start = end
		}
	}
	add(cell[start:])
	return elements
}

// address is one of a list, without what separates it from the next one.
func address(text string) string { return strings.TrimRight(text, " \t\r\n,;|") }

func isAddress(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

func listOrNil(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (e *evaluation) single(r *rule, raw any) any {
	if list, ok := raw.([]any); ok && len(list) > 0 {
		first := slices.IndexFunc(list, func(element any) bool { return !empty(element) })
		if len(list) > 1 {
			e.report(KindSeveral, Warning, r.attribute, len(list), "one value: the first is sent")
		}
		raw = list[first]
	}
	if _, isText := raw.(string); (r.as == asPrice || r.as == asMinorPrice) && len(r.replace) == 0 && !isText {
		return e.price(r, raw)
	}
	text, ok := scalar(raw)
	if !ok {
		e.report(KindValue, Warning, r.attribute, raw, "a text, number or truth value; a structure is left out")
		return nil
	}
	if text = e.text(r, text); text == "" {
		return nil
	}
	switch r.as {
	case asPrice, asMinorPrice:
		return e.price(r, text)
	case asGTIN:
		return e.gtin(r, raw, text)
	case asNumber, asInteger:
		return e.number(r, text)
	case asBoolean:
		switch strings.ToLower(text) {
		case "true", "yes", "1", "y":
			return true
		case "false", "no", "0", "n":
			return false
		}
		e.report(KindNumber, Warning, r.attribute, text, "true or false, yes or no, 1 or 0: left out")
		return nil
	}
	return boxed(raw, text)
}

// boxed spares an allocation where the steps left the text as it was.
func boxed(raw any, text string) any {
	if same, ok := raw.(string); ok && same == text {
		return raw
	}
	return text
}

// maxReplaced bounds what a replacement can make, in bytes.
const maxReplaced = 16 << 20

// text applies the steps for text.
func (e *evaluation) text(r *rule, text string) string {
	if r.html {
		text = stripHTML(text)
	}
	for i := range r.replace {
		next := &r.replace[i]
		if (len(text)+1)*(len(next.with)+1) > maxReplaced {
			e.report(KindValue, Error, r.attribute, text, "too long for replace")
			return ""
		}
		text = next.pattern.ReplaceAllString(text, next.with)
	}
	text = strings.TrimSpace(text)
	switch r.letters {
	case "lower":
		text = strings.ToLower(text)
	case "upper":
		text = strings.ToUpper(text)
	case "title":
		text = titleCase(text)
	}
	if r.values != nil && text != "" {
		text = e.translate(r, text)
	}
	if r.cut > 0 && utf8.RuneCountInString(text) > r.cut {
		e.report(KindCut, Warning, r.attribute, text, fmt.Sprintf("at most %d characters: cut", r.cut))
		text = cutText(text, r.cut)
	}
	return text
}

func (e *evaluation) translate(r *rule, text string) string {
	if translated, ok := r.values.lookup(text); ok {
		return translated
	}
	switch r.other {
	case "keep":
		return text
	case "drop":
		e.report(KindValue, Warning, r.attribute, text, "the mapping has no translation of this word: left out")
	default:
		e.report(KindValue, Error, r.attribute, text, "the mapping has no translation of this word: add it to values of the attribute's rule there, or set otherwise: keep")
	}
	return ""
}

func titleCase(text string) string {
	start := true
	return strings.Map(func(r rune) rune {
		first := start
		start = unicode.IsSpace(r) || r == '-'
		if first {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, text)
}

// cutText ends at a word where one ends in the last fifth.
func cutText(text string, limit int) string {
	runes := []rune(text)[:limit]
	for i := limit - 1; i > limit*4/5; i-- {
		if unicode.IsSpace(runes[i]) {
			runes = runes[:i]
			break
		}
	}
	return strings.TrimSpace(string(runes))
}

func (e *evaluation) price(r *rule, raw any) any {
	read := parsePrice
	if r.as == asMinorPrice {
		read = parseMinorPrice
	}
	parsed, err := read(number(raw), e.decimal, e.currency)
	if err != nil && r.below != "" && isNothing(raw) {
		return nil
	}
	if err != nil {
		e.reportPrice(r.attribute, raw, err)
		return nil
	}
	return parsed
}

func (e *evaluation) reportPrice(field string, raw any, err error) {
	kind := KindPrice
	if errors.Is(err, errCurrency) || errors.Is(err, errSign) {
		kind = KindCurrency
	}
	e.report(kind, Error, field, raw, err.Error())
}

var numeral = regexp.MustCompile(`^-?(0|[1-9]\d{0,18})(\.\d{1,18})?$`)

func (e *evaluation) number(r *rule, text string) any {
	if numeral.MatchString(text) {
		if r.as == asNumber {
			return json.Number(text)
		}
		whole, fraction, _ := strings.Cut(text, ".")
		if n, err := strconv.ParseInt(whole, 10, 64); err == nil && strings.Trim(fraction, "0") == "" && n < math.MaxInt64 {
			return json.Number(strconv.FormatInt(n, 10))
		}
	}
	e.report(KindNumber, Warning, r.attribute, text, "a plain number with a point: left out")
	return nil
}

func (e *evaluation) window(r *rule, raw any) any {
	text, ok := scalar(raw)
	start, end, joined := strings.Cut(text, "/")
	if !ok || !joined {
		e.report(KindWindow, Error, r.attribute, raw, errWindow.Error())
		return nil
	}
	window, err := parseWindow(start, end, e.zone)
	if err != nil {
		e.report(KindWindow, Error, r.attribute, raw, err.Error())
		return nil
	}
	return window
}

func (e *evaluation) shipping(r *rule, raw any) any {
	entries, err := parseShipping(raw, e.decimal, e.currency)
	if err != nil {
		e.report(KindShipping, Warning, r.attribute, raw, err.Error()+"; left out")
		return nil
	}
	if len(entries) == 0 {
		return nil
	}
	if r.as == asShippingText {
		if len(entries) > 1 {
			e.report(KindSeveral, Warning, r.attribute, len(entries), "one shipping entry: the first is sent")
		}
		return entries[0].text()
	}
	if r.most > 0 && len(entries) > r.most {
		e.report(KindSeveral, Warning, r.attribute, len(entries), fmt.Sprintf("at most %d shipping entries: the first are sent", r.most))
		entries = entries[:r.most]
	}
	return entries
}
