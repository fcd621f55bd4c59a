package queue

import (
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

const (
	// subjectPrefix starts the subjects producers publish to.
	subjectPrefix = "catalog.mutations."
	// storedPrefix starts the subjects messages are stored under.
	storedPrefix = "catalog.p."
	// MaxTokenLength is the longest account, catalog or catalog type in a subject.
	MaxTokenLength = 128
)

// Subject is where mutations of a lane are published:
// catalog.mutations.<account>.<catalog>.<catalog_type>. The problem names the
// token that breaks the rule [A-Za-z0-9_-]{1,128}.
func Subject(lane catalog.Lane) (string, *catalog.Problem) {
	if problem := checkLane(lane); problem != nil {
		return "", problem
	}
	return subjectPrefix + laneTokens(lane), nil
}

func laneTokens(lane catalog.Lane) string {
	return lane.Account + "." + lane.Catalog + "." + string(lane.Type)
}

// PartitionOf is the partition of an account's messages, from 0: the server's
// partition() function, which is FNV-1a of the token modulo the count.
func PartitionOf(account string, partitions int) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(account))            // never fails
	return int(hash.Sum32() % uint32(partitions)) //nolint:gosec // the server takes the count as 32 bits too
}

// partitionFilter matches everything stored in one partition.
func partitionFilter(partition int) string {
	return storedPrefix + strconv.Itoa(partition) + ".>"
}

// storedTransform is how the server makes the stored subject out of the
// producer's.
func storedTransform(partitions int) string {
	return storedPrefix + "{{partition(" + strconv.Itoa(partitions) + ",1)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}"
}

// parseSubject reads the lane out of a producer's subject or a stored one. The
// server lets tokens through that the contract forbids; then the problem is set
// and the lane holds only the tokens that are fit to be written down.
func parseSubject(subject string) (catalog.Lane, *catalog.Problem) {
	tokens, ok := strings.CutPrefix(subject, subjectPrefix)
	if !ok {
		if tokens, ok = strings.CutPrefix(subject, storedPrefix); ok {
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
	tokens, ok := strings.CutPrefix(subject, storedPrefix)
	if !ok {
		return printable(subject)
	}
	_, tokens, _ = strings.Cut(tokens, ".")
	return subjectPrefix + printable(tokens)
}

// printable replaces what a Postgres text column cannot hold. Only a subject or
// header that breaks the contract has such bytes.
func printable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func checkLane(lane catalog.Lane) *catalog.Problem {
	for _, token := range [...]struct{ name, value string }{
		{"account", lane.Account},
		{"catalog", lane.Catalog},
		{"catalog_type", string(lane.Type)},
	} {
		if !validToken(token.value) {
			return badSubject("the subject's " + token.name + " " + quoteShort(token.value) +
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

// quoteShort quotes a producer's value for a message to people, cut to a length
// that keeps a line readable.
func quoteShort(value string) string {
	const limit = 60
	if len(value) > limit {
		value = value[:limit] + "…"
	}
	return strconv.Quote(strings.ToValidUTF8(value, "\uFFFD"))
}
