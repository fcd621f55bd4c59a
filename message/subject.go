package message

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

const (
	// SubjectPrefix starts the subjects that producers publish to. Three tokens follow:
	// account, catalog and catalog type.
	SubjectPrefix = "catalog.mutations."
	// StoredPrefix starts the subjects that messages are stored under: the partition
	// comes before the three tokens.
	StoredPrefix = "catalog.p."
)

// Subject is where mutations of a lane are published:
// catalog.mutations.<account>.<catalog>.<catalog_type>. The problem names the
// token that breaks the rule [A-Za-z0-9_-]{1,128}.
func Subject(lane catalog.Lane) (string, *catalog.Problem) {
	if problem := checkLane(lane); problem != nil {
		return "", problem
	}
	return SubjectPrefix + lane.Account + "." + lane.Catalog + "." + string(lane.Type), nil
}

// ParseSubject reads the lane out of a producer's subject or a stored one. The
// server lets tokens through that the contract forbids; then the problem is set
// and the lane holds only the tokens that are fit to be written down.
func ParseSubject(subject string) (catalog.Lane, *catalog.Problem) {
	tokens, ok := strings.CutPrefix(subject, SubjectPrefix)
	if !ok {
		if tokens, ok = strings.CutPrefix(subject, StoredPrefix); ok {
			_, tokens, ok = strings.Cut(tokens, ".")
		}
	}
	account, tokens, hasCatalog := strings.Cut(tokens, ".")
	name, kind, hasType := strings.Cut(tokens, ".")
	if !ok || !hasCatalog || !hasType {
		return catalog.Lane{}, badSubject("the subject must be catalog.mutations.<account>.<catalog>.<catalog_type>")
	}
	lane := catalog.Lane{Account: account, Catalog: name, Type: catalog.Type(kind)}
	problem := checkLane(lane)
	if problem != nil {
		lane = presentable(lane)
	}
	return lane, problem
}

// producerSubject gives a stored subject the form the producer knows.
func producerSubject(subject string) string {
	tokens, ok := strings.CutPrefix(subject, StoredPrefix)
	if !ok {
		return Printable(subject)
	}
	_, tokens, _ = strings.Cut(tokens, ".")
	return SubjectPrefix + Printable(tokens)
}

// Printable replaces what a Postgres text column cannot hold. Only a subject or
// header that breaks the contract has such bytes.
func Printable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func checkLane(lane catalog.Lane) *catalog.Problem {
	for _, token := range [...]struct{ name, value string }{
		{"account", lane.Account},
		{"catalog", lane.Catalog},
		{"catalog_type", string(lane.Type)},
	} {
		if !validToken(token.value) {
			return badSubject("the subject's " + token.name + " " + Quote(token.value) +
				" must be 1 to " + strconv.Itoa(MaxTokenLength) + " of the characters A-Z a-z 0-9 _ -")
		}
	}
	return nil
}

func presentable(lane catalog.Lane) catalog.Lane {
	var kept catalog.Lane
	if validToken(lane.Account) {
		kept.Account = lane.Account
	}
	if validToken(lane.Catalog) {
		kept.Catalog = lane.Catalog
	}
	if validToken(string(lane.Type)) {
		kept.Type = lane.Type
	}
	return kept
}

func validToken(token string) bool {
	if token == "" || len(token) > MaxTokenLength {
		return false
	}
	for i := range len(token) {
		c := token[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func badSubject(text string) *catalog.Problem {
	return &catalog.Problem{Reason: catalog.BadSubject, Field: "subject", Text: text}
}

// maxShown is how many bytes of a producer's value a message to people has.
const maxShown = 60

// Quote quotes a producer's value for a message to people, cut to a length
// that keeps a line readable.
func Quote(value string) string {
	return strconv.Quote(legible.Cut(value, maxShown))
}
