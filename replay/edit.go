package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

var (
	// ErrNewerChanges says that the item has newer changes, so that an old state would come
	// back. Options.Force publishes all the same.
	ErrNewerChanges = errors.New("the item has newer changes: publishing this one would bring an old state back")
	// ErrNotOpen says that the letter was replayed or dismissed before.
	ErrNotOpen = errors.New("it is not open any more")
	// ErrOtherItem says that the edited message is about another item: the item of the letter
	// would stay as it is, and the other may have newer changes. Options.Force publishes all the
	// same. A letter that names no item, or whose id was the fault, may be about any.
	ErrOtherItem = errors.New("the edited message is about another item, and this one would stay as it is: publish the other as a change of its own")
	// ErrUnchanged says that the edited message is the old one.
	ErrUnchanged = errors.New("nothing is changed: replay publishes the message as it is")
)

// Letter reads one dead letter with its message. An UnknownError says that there is none.
func (r *Replayer) Letter(ctx context.Context, id int64) (*persistence.DeadLetter, error) {
	letters, err := r.Store.DeadLetters(ctx, persistence.DeadLetterFilter{IDs: []int64{id}, States: persistence.LetterStates(), Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(letters) == 0 {
		return nil, &UnknownError{IDs: []int64{id}}
	}
	return &letters[0], nil
}

// Edited is what an edit published.
type Edited struct {
	MutationID string // of the new mutation
	Subject    string
}

// Edit publishes a corrected body in place of a dead letter's, as a new mutation with an id
// of its own, and marks the letter as replayed by it. The body has to keep the rules that
// every message keeps (message.Decode); a *catalog.Problem says which ones it breaks.
// subject is "" for the letter's own. A letter that was replayed or dismissed is ErrNotOpen,
// unless Options.Force says otherwise: so an edit that is repeated because its answer was
// lost publishes nothing twice.
func (r *Replayer) Edit(ctx context.Context, id int64, body []byte, subject string) (Edited, error) {
	letter, publication, err := r.prepared(ctx, id, body, subject)
	if err != nil {
		return Edited{}, err
	}
	note := persistence.ReplayNote{By: r.By, ReplacedBy: publication.ID}
	marked, err := r.Store.Replay(ctx, []persistence.DeadLetter{*letter}, note, func(ctx context.Context, ids []int64) ([]int64, error) {
		results, err := r.Publisher.Publish(ctx, []publish.Publication{publication})
		switch {
		case len(results) == 1 && results[0].Err != nil:
			return nil, fmt.Errorf("dead letter %d cannot be published: %w", id, results[0].Err)
		case err != nil || len(results) == 0 || results[0].Outcome == publish.Refused:
			return nil, err
		default:
			return ids, nil
		}
	})
	if err == nil && marked == 0 {
		err = fmt.Errorf("dead letter %d: %w", id, ErrNotOpen)
	}
	return Edited{MutationID: publication.ID, Subject: publication.Subject}, err
}

// CheckEdit says what Edit would say before it publishes.
func (r *Replayer) CheckEdit(ctx context.Context, id int64, body []byte, subject string) error {
	_, _, err := r.prepared(ctx, id, body, subject)
	return err
}

// prepared is a letter and what is to be published in its place.
func (r *Replayer) prepared(ctx context.Context, id int64, body []byte, subject string) (*persistence.DeadLetter, publish.Publication, error) {
	letter, err := r.Letter(ctx, id)
	if err != nil {
		return nil, publish.Publication{}, err
	}
	if !r.Force && (letter.State == persistence.LetterReplayed || letter.State == persistence.LetterDismissed) {
		return nil, publish.Publication{}, fmt.Errorf("dead letter %d: %w: it was %s", id, ErrNotOpen, done(letter))
	}
	if subject == "" {
		subject = letter.Message.Subject
	}
	if sameJSON(body, letter.Message.Data) && subject == letter.Message.Subject {
		return nil, publish.Publication{}, ErrUnchanged
	}
	publication, err := r.edited(letter, body, subject)
	if err != nil {
		return nil, publish.Publication{}, err
	}
	if !r.Force {
		newer, err := r.Store.NewerChanges(ctx, []int64{id})
		if err != nil {
			return nil, publish.Publication{}, err
		}
		if newer[id] {
			return nil, publish.Publication{}, fmt.Errorf("dead letter %d: %w", id, ErrNewerChanges)
		}
	}
	return letter, publication, nil
}

// done says what somebody did about a letter.
func done(letter *persistence.DeadLetter) string {
	if letter.ReplacedBy != "" {
		return "edited, and published as mutation " + letter.ReplacedBy
	}
	return string(letter.State)
}

// edited is the new message, checked.
func (r *Replayer) edited(letter *persistence.DeadLetter, body []byte, subject string) (publish.Publication, error) {
	sum := sha256.Sum256(append([]byte(subject+"\x00"), body...))
	p := publish.Publication{
		Subject: subject, ID: idOf("edit", letter, r.Installation, fmt.Sprintf(" %x", sum)), Headers: ownHeaders(letter), Data: body,
	}
	if letter.Reason == catalog.BadPack { // what is given instead is one mutation
		p.Headers = slices.DeleteFunc(p.Headers, func(h catalog.Header) bool { return message.OfPack(h.Name) })
	}
	at := slices.IndexFunc(p.Headers, func(h catalog.Header) bool { return strings.EqualFold(h.Name, eventID) })
	switch {
	case !isObject(body): // Decode says what is wrong with it
	case at >= 0:
		p.Headers[at].Value = p.ID
	default:
		data, err := sjson.SetBytes(bytes.Clone(body), "id", p.ID)
		if err != nil {
			return p, fmt.Errorf("putting the id into dead letter %d: %w", letter.ID, err)
		}
		p.Data = data
	}
	headers := map[string][]string{}
	for _, header := range p.Headers {
		headers[header.Name] = append(headers[header.Name], header.Value)
	}
	decoded := message.Decode(message.Raw{Subject: p.Subject, Headers: headers, Data: p.Data})
	if decoded.Problem != nil {
		return p, decoded.Problem
	}
	if m := decoded.Mutation; !r.Force && namesItem(letter) && (m.ItemID != letter.ItemID || m.Localization != letter.Localization) {
		return p, fmt.Errorf("dead letter %d is about item %s: %w", letter.ID, letter.ItemID, ErrOtherItem)
	}
	return p, nil
}

// namesItem reports that it is known which item a letter is about.
func namesItem(l *persistence.DeadLetter) bool {
	return l.ItemID != "" && l.Reason != catalog.BadKey && l.Reason != catalog.KeyMismatch
}

// sameJSON reports whether two bodies say the same.
func sameJSON(a, b []byte) bool {
	var left, right bytes.Buffer
	if json.Compact(&left, a) != nil || json.Compact(&right, b) != nil {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(legible.JSON(left.Bytes()), legible.JSON(right.Bytes())) // an escape says the same
}

// SetAttribute changes one attribute in the body of a message: value is JSON. A name is
// never a path. The body is that of a mutation, or of a CloudEvent with one.
func SetAttribute(body []byte, name, value string) ([]byte, error) {
	if !isObject(body) {
		return nil, errors.New("the message is not a JSON object: give the whole message with --file")
	}
	if name == "" {
		return nil, errors.New("the attribute has no name")
	}
	if !json.Valid([]byte(value)) {
		return nil, fmt.Errorf("the value of %s is not JSON", name)
	}
	path := "attributes"
	if isEventBody(body) {
		path = "data.attributes"
	}
	if there := gjson.GetBytes(body, path); there.Exists() && !there.IsObject() {
		return nil, errors.New("the attributes of the message are not an object: give the whole message with --file")
	}
	changed, err := sjson.SetRawBytes(bytes.Clone(body), path, withMember(gjson.GetBytes(body, path), name, value))
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", name, err)
	}
	return changed, nil
}

// SetOperation changes the operation in the body of a message, that of a mutation or of a
// CloudEvent with one.
func SetOperation(body []byte, operation catalog.Operation) ([]byte, error) {
	if !isObject(body) {
		return nil, errors.New("the message is not a JSON object: give the whole message with --file")
	}
	path := "operation"
	if gjson.GetBytes(body, "specversion").Exists() {
		path = "data.operation"
	}
	changed, err := sjson.SetBytes(bytes.Clone(body), path, operation.String())
	if err != nil {
		return nil, fmt.Errorf("setting the operation: %w", err)
	}
	return changed, nil
}

// withMember is the object with one member set, the others as they were, byte for byte.
func withMember(object gjson.Result, name, value string) []byte {
	var whole bytes.Buffer
	set := false
	add := func(key, value string) {
		if whole.Len() > 0 {
			whole.WriteByte(',')
		}
		whole.WriteString(key + ":" + value)
	}
	object.ForEach(func(key, old gjson.Result) bool {
		switch {
		case key.String() != name:
			add(key.Raw, old.Raw)
		case !set: // a second member of the name would make the message invalid
			add(key.Raw, value)
			set = true
		}
		return true
	})
	if !set {
		key, _ := json.Marshal(name) //nolint:errchkjson // a text
		add(string(key), value)
	}
	return []byte("{" + whole.String() + "}")
}
