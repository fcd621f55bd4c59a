package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	jqPattern  = 1000 // bytes of a regular expression
	jqPatterns = 64   // that are kept for the next record
)

// expression is a regular expression, and how many of its instructions a character can take.
type expression struct {
	*regexp.Regexp
	size int
}

func (b *budget) pattern(text, flags string) (expression, error) {
	if len(text) > jqPattern {
		return expression{}, errors.New("a regular expression is longer than 1,000 bytes")
	}
	key := flags + "/" + text
	if found, ok := b.patterns[key]; ok {
		return found, nil
	}
	if strings.Trim(flags, "gis") != "" {
		return expression{}, fmt.Errorf("the flags %q of a regular expression are not known: use g, i and s", flags)
	}
	options := strings.ReplaceAll(flags, "g", "")
	if options != "" {
		text = "(?" + options + ")" + text
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return expression{}, err
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return expression{}, err
	}
	instructions, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return expression{}, err
	}
	found := expression{compiled, max(len(instructions.Inst), 16)}
	if b.patterns == nil || len(b.patterns) >= jqPatterns {
		b.patterns = map[string]expression{}
	}
	b.patterns[key] = found
	return found, nil
}

// match gives what jq's own match does; offsets are counted in characters.
func (b *budget) match(input, pattern, flags any, testing bool) any {
	text, ok := input.(string)
	wanted, isText := pattern.(string)
	options, areText := flags.(string)
	if !ok || !isText || flags != nil && !areText {
		return errors.New("a regular expression, its flags and what it is matched with must be texts")
	}
	compiled, err := b.pattern(wanted, options)
	if err == nil {
		err = b.spend(compiled.size * len(text))
	}
	if err != nil {
		return err
	}
	if testing {
		return compiled.MatchString(text)
	}
	most := 1
	if strings.ContainsRune(options, 'g') {
		most = jqMembers + 1
	}
	found := compiled.FindAllStringSubmatchIndex(text, most)
	if len(found)*(1+compiled.NumSubexp()) > jqMembers {
		return errJQSize
	}
	if err := b.spend(len(found) * (1 + compiled.NumSubexp()) * 4 * valueSize); err != nil {
		return err
	}
	matches := make([]any, len(found))
	names := compiled.SubexpNames()
	bytes, characters := 0, 0
	for i, at := range found {
		characters += utf8.RuneCountInString(text[bytes:at[0]])
		bytes = at[0]
		captures := make([]any, 0, len(names)-1)
		for j := 1; j < len(names); j++ {
			capture := map[string]any{"name": nil, "offset": -1, "length": 0, "string": nil}
			if names[j] != "" {
				capture["name"] = names[j]
			}
			if from, to := at[2*j], at[2*j+1]; from >= 0 {
				capture["offset"] = characters + utf8.RuneCountInString(text[at[0]:from])
				capture["length"] = utf8.RuneCountInString(text[from:to])
				capture["string"] = text[from:to]
			}
			captures = append(captures, capture)
		}
		whole := text[at[0]:at[1]]
		matches[i] = map[string]any{"offset": characters, "length": utf8.RuneCountInString(whole), "string": whole, "captures": captures}
	}
	return matches
}
