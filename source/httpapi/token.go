package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// TokenPrefix begins every token, so that scanners for secrets find a lost one.
const TokenPrefix = "ccat_"

// hashPrefix begins a hash as it is written down.
const hashPrefix = "sha256:"

// AllAccounts in [Token.Accounts] allows every account.
const AllAccounts = "*"

// Token is one caller: the server keeps the hash of the secret, never the secret.
type Token struct {
	// Name is what logs call the caller. Required, each once.
	Name string
	// SHA256 is the hash of the token's text. Two tokens must not share one.
	SHA256 [sha256.Size]byte
	// Accounts are what the caller may publish to; [AllAccounts] is all.
	Accounts []string
}

// allows reports whether the token's caller may publish to an account.
func (t *Token) allows(account string) bool {
	return slices.Contains(t.Accounts, AllAccounts) || slices.Contains(t.Accounts, account)
}

// NewToken makes a token of 256 random bits and the hash to keep of it.
func NewToken() (token string, hash [sha256.Size]byte) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails: crypto/rand ends the program instead
	token = TokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, HashToken(token)
}

// HashToken is the hash to keep of a token. One round is enough: a token has 256 random
// bits, and no list of guesses leads to it.
func HashToken(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// FormatHash writes a hash as sha256:<64 hex digits>.
func FormatHash(hash [sha256.Size]byte) string { return hashPrefix + hex.EncodeToString(hash[:]) }

// ParseHash reads what FormatHash writes; the prefix may be left out. The error does not show
// the text: it may be the token, pasted into the wrong place.
func ParseHash(text string) (hash [sha256.Size]byte, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, TokenPrefix) {
		return hash, errors.New("this is a token, not its hash: keep the token with the caller and write the hash here (enqueue token prints both)")
	}
	digits, err := hex.DecodeString(strings.TrimPrefix(text, hashPrefix))
	if err != nil || len(digits) != len(hash) {
		return hash, errors.New("the hash of a token must be sha256: and 64 hexadecimal digits")
	}
	return [sha256.Size]byte(digits), nil
}

// book finds the caller of a request.
type book []Token

func newBook(tokens []Token) (book, error) {
	for i, token := range tokens {
		switch {
		case token.Name == "":
			return nil, fmt.Errorf("token %d has no name", i+1)
		case token.SHA256 == [sha256.Size]byte{}:
			return nil, fmt.Errorf("token %q has no hash", token.Name)
		case token.SHA256 == HashToken(""):
			return nil, fmt.Errorf("token %q has the hash of an empty text", token.Name)
		case len(token.Accounts) == 0:
			return nil, fmt.Errorf("token %q has no accounts: name them, or write %q for all", token.Name, AllAccounts)
		}
		for _, other := range tokens[:i] {
			switch {
			case other.Name == token.Name:
				return nil, fmt.Errorf("two tokens have the name %q", token.Name)
			case other.SHA256 == token.SHA256:
				return nil, fmt.Errorf("tokens %q and %q have the same hash", other.Name, token.Name)
			}
		}
	}
	return slices.Clone(tokens), nil
}

// caller finds whose token a request carries. It compares hashes with all of them in
// constant time, so that its duration tells nothing.
func (b book) caller(header http.Header) (*Token, *refusal) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return nil, unauthorized("the request has no token: send it as Authorization: Bearer <token>", "")
	}
	scheme, credentials, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, unauthorized("the request must have one Authorization header with the scheme Bearer", "")
	}
	given := HashToken(strings.TrimSpace(credentials))
	var found *Token
	for i := range b {
		if subtle.ConstantTimeCompare(given[:], b[i].SHA256[:]) == 1 {
			found = &b[i]
		}
	}
	if found == nil {
		return nil, unauthorized("the token is not known", `, error="invalid_token"`)
	}
	return found, nil
}

func unauthorized(detail, more string) *refusal {
	r := refuse(kindUnauthorized, detail)
	r.header = http.Header{"Www-Authenticate": {`Bearer realm="catalog-courier"` + more}}
	return r
}
