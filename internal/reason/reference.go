package reason

import (
	"fmt"
	"strconv"
	"strings"
)

// Reference is the generated part of docs/errors.md.
func (r *Registry) Reference() string {
	var text strings.Builder
	for _, part := range []struct {
		title, about string
		entries      []Entry
	}{
		{"Changes", "Reasons of dead letters (`dead_letters.reason_code`) and codes in `mutation_status.errors` and `warnings`.", mutationEntries()},
		{"Accounts", "States of `account_status` in which changes wait.", accountEntries()},
		{"Batches", "States of `batch_status` other than the ordinary ones: `sending`, `submitted`, `completed`.", batchEntries()},
		{"Feeds and webhooks", "Kinds of findings. One of severity `error` keeps its item from being sent.", findingEntries()},
	} {
		heading(&text, part.title, part.about)
		for i := range part.entries {
			e := &part.entries[i]
			row(&text, e.Anchor(), e.Code, e.Meaning, e.Action, e.Who, e.Replay)
		}
	}
	for _, name := range r.order {
		platform := r.platforms[name]
		heading(&text, platform.title, "Codes of "+platform.title+" itself: of items, and of the answers that pause an account or refuse a batch.")
		for i := range platform.codes {
			c := &platform.codes[i]
			row(&text, c.anchor(name), c.label(), c.Meaning+" ("+c.Source+")", c.Action, c.Who, c.Replay)
		}
	}
	return text.String()
}

// label is the code as the table shows it.
func (c *PlatformCode) label() string {
	label := strconv.Itoa(c.Code)
	switch {
	case c.Code == 0:
		label = "HTTP " + strconv.Itoa(c.Status)
	case c.Code < 0:
		label = "below 0"
	case c.CodeTo != 0:
		label += " to " + strconv.Itoa(c.CodeTo)
	case c.Subcode != 0:
		label += ", subcode " + strconv.Itoa(c.Subcode)
	}
	if c.Word != "" {
		label += ", “" + c.Word + "”"
	}
	return label
}

func heading(text *strings.Builder, title, about string) {
	_, _ = fmt.Fprintf(text, "\n## %s\n\n%s\n\n| code | meaning | what to do | who | replay |\n| --- | --- | --- | --- | --- |\n", title, about)
}

func row(text *strings.Builder, anchor, code, meaning, action string, who Who, replay Replay) {
	_, _ = fmt.Fprintf(text, "| <a id=%q></a>`%s` | %s | %s | %s | %s |\n", anchor, code, meaning, action, who, orDash(replay))
}

func orDash(replay Replay) Replay {
	if replay == None {
		return "–"
	}
	return replay
}
