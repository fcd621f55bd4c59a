package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// keyBytes is the size of an AES-256 key.
const keyBytes = 32

// Keyring seals what the database keeps, with AES-256-GCM. It prints no key.
type Keyring struct {
	current string // id
	aead    map[string]cipher.AEAD
}

var (
	// ErrNoKey is returned by ParseKeys when there is no current key.
	ErrNoKey = errors.New("there is no encryption key")
	// ErrBadKey is returned for a key in another form; the key is not shown.
	ErrBadKey = errors.New("an encryption key must be 32 bytes in base64 or hex, such as `openssl rand -base64 32` makes")
	// ErrUnknownKey is returned for what was sealed with a key that is not there.
	ErrUnknownKey = errors.New("the tokens were sealed with another encryption key: give it as a former key, or give a new refresh token")
)

// ParseKeys reads the key that seals, and former ones, separated by commas, that
// still open.
func ParseKeys(current, former string) (*Keyring, error) {
	if strings.TrimSpace(current) == "" {
		return nil, ErrNoKey
	}
	ring := &Keyring{aead: map[string]cipher.AEAD{}}
	id, err := ring.add(current)
	if err != nil {
		return nil, err
	}
	ring.current = id
	for text := range strings.SplitSeq(former, ",") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if _, err := ring.add(text); err != nil {
			return nil, fmt.Errorf("a former key: %w", err)
		}
	}
	return ring, nil
}

func (k *Keyring) add(text string) (id string, err error) {
	key, err := parseKey(strings.TrimSpace(text))
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	// The nonce is random and stands before the sealed text: a key would have to seal
	// billions of times before two are likely to be equal.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(append([]byte("catalog-courier key id\x00"), key...))
	id = hex.EncodeToString(digest[:8])
	k.aead[id] = aead
	return id, nil
}

func parseKey(text string) ([]byte, error) {
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == keyBytes {
			return key, nil
		}
	}
	return nil, ErrBadKey
}

// seal closes a text for a name: under another name it does not open.
func (k *Keyring) seal(name string, text []byte) (keyID string, sealed []byte) {
	return k.current, k.aead[k.current].Seal(nil, nil, text, []byte(name)) //nolint:gosec // no nonce is passed: this cipher makes a random one
}

func (k *Keyring) open(name, keyID string, sealed []byte) ([]byte, error) {
	aead, ok := k.aead[keyID]
	if !ok {
		return nil, fmt.Errorf("%w (key id %s)", ErrUnknownKey, keyID)
	}
	text, err := aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("sealed tokens do not open: %w", err)
	}
	return text, nil
}

// Format keeps the keys out of whatever is printed.
func (k *Keyring) Format(state fmt.State, _ rune) { printName(state, "encryption key", k.current) }
