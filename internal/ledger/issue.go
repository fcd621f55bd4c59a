package ledger

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Issue is one error or warning about an item: of the platform, or of a rule.
type Issue struct {
	Code      string `json:"code,omitempty"`
	Attribute string `json:"attribute,omitempty"`
	Message   string `json:"message,omitempty"`
}

// maxIssues bounds what is kept of one message's problems.
const maxIssues = 100

// IssuesOf lists problems with their Others, at most 100; nil for none.
func IssuesOf(problems []catalog.Problem) []Issue {
	if len(problems) == 0 {
		return nil // of nearly every mutation
	}
	var issues []Issue
	add := func(p *catalog.Problem) {
		if len(issues) < maxIssues {
			issues = append(issues, Issue{Code: string(p.Reason), Attribute: p.Field, Message: p.Text})
		}
	}
	for i := range problems {
		p := &problems[i]
		add(p)
		for j := range p.Others {
			add(&p.Others[j])
		}
	}
	return issues
}

// Sentence says a problem with all its Others, for people.
func Sentence(p *catalog.Problem) string {
	issues := IssuesOf([]catalog.Problem{*p})
	if len(issues) == 1 {
		return p.Text
	}
	texts := make([]string, len(issues))
	for i, issue := range issues {
		texts[i] = issue.Message
		if issue.Attribute != "" && !strings.HasPrefix(issue.Message, issue.Attribute) {
			texts[i] = issue.Attribute + ": " + issue.Message
		}
	}
	return strings.Join(texts, "; ")
}
