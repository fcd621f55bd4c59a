package console

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Bounds of guessing: so many wrong passwords of one address, and of all addresses for one
// name, in a window. A hash costs some 50 ms of a processor, so only two are computed at
// a time.
const (
	guessWindow   = time.Minute
	guessesFrom   = 10
	guessesFor    = 30
	mostGuessers  = 10_000
	hashesAtATime = 2
	passFor       = 5 * time.Minute
	mostPassed    = 1_000
	maxUsersFile  = 1 << 20
)

// Basic is HTTP basic authentication with a file of bcrypt hashes, as htpasswd -B makes
// it: a line "name:hash" for each person.
type Basic struct {
	hashes    map[string][]byte
	operators map[string]bool
	unknown   []byte // a hash that no password has, for names that are unknown
	key       []byte // of passed

	hashing chan struct{}

	mu     sync.Mutex
	wrong  map[string]*guesses // by "from address" and "for name"
	passed map[[sha256.Size]byte]time.Time
	now    func() time.Time
}

type guesses struct {
	count int
	until time.Time
}

// NewBasic reads the file of hashes. operators are the names that may act. The error is
// ErrLogin when a line is wrong; it never holds a hash.
func NewBasic(file string, operators []string) (*Basic, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLogin, err)
	}
	if info.Size() > maxUsersFile {
		return nil, fmt.Errorf("%w: %s is larger than 1 MiB", ErrLogin, file)
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLogin, err)
	}
	b := &Basic{
		hashes: map[string][]byte{}, operators: setOf(operators), key: make([]byte, sha256.Size),
		hashing: make(chan struct{}, hashesAtATime), wrong: map[string]*guesses{}, passed: map[[sha256.Size]byte]time.Time{}, now: time.Now,
	}
	cost := bcrypt.DefaultCost
	for number, line := range strings.Split(string(content), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, found := strings.Cut(line, ":")
		lineCost, err := bcrypt.Cost([]byte(hash))
		if !found || name == "" || err != nil {
			return nil, fmt.Errorf("%w: line %d of %s is not a name, a colon and a bcrypt hash, as htpasswd -B writes it", ErrLogin, number+1, file)
		}
		const slow = 15 // seconds for a hash: a page would never come
		if lineCost > slow {
			return nil, fmt.Errorf("%w: line %d of %s has a hash of cost %d; at most %d is allowed", ErrLogin, number+1, file, lineCost, slow)
		}
		cost = max(cost, lineCost)
		b.hashes[name] = []byte(hash)
	}
	if len(b.hashes) == 0 {
		return nil, fmt.Errorf("%w: %s names nobody", ErrLogin, file)
	}
	for _, name := range operators {
		if b.hashes[name] == nil {
			return nil, fmt.Errorf("%w: operator %q is not in %s", ErrLogin, name, file)
		}
	}
	_, _ = rand.Read(b.key) // it never fails
	if b.unknown, err = bcrypt.GenerateFromPassword([]byte(rand.Text()), cost); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLogin, err)
	}
	return b, nil
}

// Identify asks for a name and a password, and answers 429 to who guesses.
func (b *Basic) Identify(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	name, password, given := r.BasicAuth()
	if !given {
		b.ask(w)
		return Identity{}, false
	}
	proof := b.proof(name, password)
	if b.hasPassed(proof) {
		return b.identity(name), true
	}
	from, about := "from "+hostOf(r.RemoteAddr), "for "+name
	if wait := b.waits(from, about); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		http.Error(w, "Too many wrong passwords. Try again in a minute.", http.StatusTooManyRequests)
		return Identity{}, false
	}
	select {
	case b.hashing <- struct{}{}:
		defer func() { <-b.hashing }()
	case <-r.Context().Done():
		return Identity{}, false
	}
	hash, known := b.hashes[name]
	if !known {
		hash = b.unknown // as long as for a known name
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		b.guessed(from, about)
		b.ask(w)
		return Identity{}, false
	}
	b.pass(proof)
	return b.identity(name), true
}

func (b *Basic) identity(name string) Identity {
	return Identity{Name: name, Role: roleOf(b.operators, name), How: "basic"}
}

func (b *Basic) ask(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Catalog Courier", charset="UTF-8"`)
	http.Error(w, "A name and a password are needed.", http.StatusUnauthorized)
}

// proof stands for a right name and password, of which neither can be read from it.
func (b *Basic) proof(name, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, b.key)
	_, _ = fmt.Fprintf(mac, "%d:%s%s", len(name), name, password)
	copy(sum[:], mac.Sum(nil))
	return sum
}

func (b *Basic) hasPassed(proof [sha256.Size]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, found := b.passed[proof]
	return found && b.now().Before(until)
}

func (b *Basic) pass(proof [sha256.Size]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.passed) >= mostPassed {
		clear(b.passed)
	}
	b.passed[proof] = b.now().Add(passFor)
}

// waits says how long the address or the name is kept from trying; 0 for not at all.
func (b *Basic) waits(from, about string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var wait time.Duration
	for key, most := range map[string]int{from: guessesFrom, about: guessesFor} {
		if g := b.wrong[key]; g != nil && now.Before(g.until) && g.count >= most {
			wait = max(wait, g.until.Sub(now))
		}
	}
	return wait
}

func (b *Basic) guessed(keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(b.wrong) >= mostGuessers {
		for key, g := range b.wrong {
			if now.After(g.until) {
				delete(b.wrong, key)
			}
		}
		if len(b.wrong) >= mostGuessers {
			clear(b.wrong)
		}
	}
	for _, key := range keys {
		g := b.wrong[key]
		if g == nil || now.After(g.until) {
			g = &guesses{until: now.Add(guessWindow)}
			b.wrong[key] = g
		}
		g.count++
	}
}

// Routes adds none.
func (b *Basic) Routes(*http.ServeMux, string) {}

// CanLogOut is false: browsers keep the password until they are closed.
func (b *Basic) CanLogOut() bool { return false }

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// HashPassword makes the line of a users file for a name. The error says what is wrong
// with the password: bcrypt reads 72 bytes of one, and no more.
func HashPassword(name string, password []byte) (string, error) {
	const least = 8
	switch {
	case name == "" || strings.ContainsAny(name, ":\r\n"):
		return "", errors.New("a name must not be empty or hold a colon or a line break")
	case len(bytes.TrimSpace(password)) < least:
		return "", fmt.Errorf("a password needs at least %d characters", least)
	}
	hash, err := bcrypt.GenerateFromPassword(password, bcrypt.DefaultCost)
	if err != nil {
		return "", err
	}
	return name + ":" + string(hash), nil
}
