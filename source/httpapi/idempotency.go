package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

// headerKey names a request: its repeat is not stored again.
const headerKey = "Idempotency-Key"

// maxKey leaves an id room for the digest and the line.
const maxKey = 200

// idempotencyKey reads the header; "" where there is none. The value may have the quotes of
// draft-ietf-httpapi-idempotency-key-header, which most clients leave out.
func idempotencyKey(header http.Header) (string, *refusal) {
	values := header.Values(headerKey)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	valid := len(values) == 1 && key != "" && len(key) <= maxKey
	for i := range len(key) {
		valid = valid && key[i] > ' ' && key[i] < 0x7f && key[i] != '"' && key[i] != '\\'
	}
	if !valid {
		return "", refuse(kindParameter, headerKey+" must be sent once, with 1 to "+strconv.Itoa(maxKey)+
			` printable ASCII characters without spaces, " and \`)
	}
	return key, nil
}

// digest is of all that decides which mutations a request has.
type digest [sha256.Size]byte

func digestOf(to catalog.Lane, contentType string, headers map[string][]string, body []byte) (sum digest) {
	h := sha256.New()
	for _, part := range []string{
		to.Account, to.Catalog, string(to.Type), contentType,
		first(headers, message.HeaderEventID), first(headers, message.HeaderEventTime),
	} {
		_, _ = io.WriteString(h, part)
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(body)
	return digest(h.Sum(nil))
}

func first(headers map[string][]string, name string) string {
	if values := headers[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// pack is what the ids of a request's mutations begin with: the key, and 64 bits of the
// digest. Two bodies with one key have different ids, so a key that is used twice by
// mistake never makes the stream drop a change, not even where no server notices.
func pack(key string, of digest) string {
	if key == "" {
		return ""
	}
	return key + "-" + hex.EncodeToString(of[:8])
}

// maxKeys bounds the keys that are remembered: some 10 MB.
const maxKeys = 1 << 16

// keyMemory notices a key that comes again with another body, for the duplicate window of
// the stream. It knows what this process saw; what it forgets is only not noticed.
type keyMemory struct {
	window time.Duration

	mu     sync.Mutex
	bodies map[digest]keyed
	oldest []digest // a ring, once it is full
	next   int
}

type keyed struct {
	body digest
	at   time.Time
}

func newKeyMemory(window time.Duration) *keyMemory {
	return &keyMemory{window: window, bodies: map[digest]keyed{}}
}

// use remembers that a caller sent a key to a lane with a body. seen says that the same was
// sent before, conflict that it was another body.
func (m *keyMemory) use(caller, key string, to catalog.Lane, body digest) (seen, conflict bool) {
	name := digestOf(to, caller, nil, []byte(key))
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if before, known := m.bodies[name]; known {
		if now.Sub(before.at) < m.window {
			return before.body == body, before.body != body
		}
		m.bodies[name] = keyed{body, now}
		return false, false
	}
	if len(m.oldest) < maxKeys {
		m.oldest = append(m.oldest, name)
	} else {
		delete(m.bodies, m.oldest[m.next])
		m.oldest[m.next] = name
		m.next = (m.next + 1) % maxKeys
	}
	m.bodies[name] = keyed{body, now}
	return false, false
}
