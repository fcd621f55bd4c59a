package rest

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strings"
)

// minSecret is the shortest secret that is looked for: shorter ones would tear words
// apart and protect nothing.
const minSecret = 4

// form is a way in which a text can hold a secret: as it is, in hex, or in base64 at
// one of the three places where it can begin among the bytes around it.
type form struct {
	text string
	// same reports that a character of the text stands for one of the form.
	same func(got, want byte) bool
	// folds reports that a line may break between two characters, and a sign part them.
	folds bool
}

// formsOf are all forms of a secret.
func formsOf(secret string) []form {
	plain := func(got, want byte) bool { return got == want }
	forms := make([]form, 0, 5)
	forms = append(forms,
		form{text: secret, same: plain},
		form{text: hex.EncodeToString([]byte(secret)), same: sameHex, folds: true})
	for before := range 3 {
		forms = append(forms, form{text: coreOfBase64(secret, before), same: sameBase64, folds: true})
	}
	return forms
}

// coreOfBase64 is what base64 makes of a secret with so many bytes before it in its
// group of three: the characters that depend on nothing around the secret.
func coreOfBase64(secret string, before int) string {
	encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
	const bitsOfByte, bitsOfCharacter = 8, 6
	first := (before*bitsOfByte + bitsOfCharacter - 1) / bitsOfCharacter
	last := (before + len(secret)) * bitsOfByte / bitsOfCharacter
	return encoded[first:last]
}

func sameHex(got, want byte) bool {
	return got == want || (got >= 'A' && got <= 'F' && got+('a'-'A') == want)
}

// sameBase64 takes both alphabets of RFC 4648.
func sameBase64(got, want byte) bool {
	return got == want || (got == '-' && want == '+') || (got == '_' && want == '/')
}

// hide replaces each place where the text holds one of the secrets, in any form, each
// of whose characters may be escaped as in JSON, HTML or an address.
func hide(text string, secrets []string) string {
	var forms []form
	for _, secret := range secrets {
		if secret = strings.Map(printable, secret); len(secret) >= minSecret {
			forms = append(forms, formsOf(secret)...)
		}
	}
	if len(forms) == 0 {
		return text
	}
	begins := beginnings(forms)
	var made strings.Builder
	kept := 0
	for i := 0; i < len(text); {
		if !begins[text[i]] { // nearly always
			i++
			continue
		}
		end := 0
		var ways waysToRead
		if isEscape(text[i]) {
			ways = readings(text, i)
		}
		for j := range forms {
			if f := &forms[j]; !f.begins(text[i], ways.all()) {
				continue
			}
			if end = forms[j].endAt(text, i, 0); end > 0 {
				break
			}
		}
		if end == 0 {
			i++
			continue
		}
		made.WriteString(text[kept:i])
		made.WriteString(hidden)
		i, kept = end, end
	}
	if kept == 0 {
		return text
	}
	made.WriteString(text[kept:])
	return made.String()
}

// beginnings are the characters with which one of the forms may begin.
func beginnings(forms []form) (begins [1 + math.MaxUint8]bool) {
	for c := range begins {
		begins[c] = isEscape(byte(c))
		for j := range forms {
			begins[c] = begins[c] || forms[j].same(byte(c), forms[j].text[0])
		}
	}
	return begins
}

// begins reports that the form may begin with the character, or with one that it is
// read as.
func (f *form) begins(c byte, all []reading) bool {
	if f.same(c, f.text[0]) {
		return true
	}
	for _, read := range all {
		if f.same(read.value, f.text[0]) {
			return true
		}
	}
	return false
}

// endAt is where the form ends whose part from j on begins at i in the text, 0 when
// none does.
func (f *form) endAt(text string, i, j int) int {
	for ; j < len(f.text); j++ {
		if j > 0 && f.folds {
			i = skipFold(text, i)
		}
		if i >= len(text) {
			return 0
		}
		if !isEscape(text[i]) {
			if !f.same(text[i], f.text[j]) {
				return 0
			}
			i++
			continue
		}
		// A sign may be the character itself, or begin an escape of it.
		next := 0
		ways := readings(text, i)
		for _, read := range ways.all() {
			if !f.same(read.value, f.text[j]) {
				continue
			}
			if next > 0 { // read in two ways
				if end := f.endAt(text, read.next, j+1); end > 0 {
					return end
				}
				continue
			}
			next = read.next
		}
		if next == 0 {
			return 0
		}
		i = next
	}
	return i
}

// skipFold skips what may part two characters of hex or base64: white space, which is
// a blank by now or escaped, and the signs between bytes in hex.
func skipFold(text string, i int) int {
	for i < len(text) {
		got, next := text[i], i+1
		if isEscape(got) {
			ways := readings(text, i)
			got, next = ways.last().value, ways.last().next
		}
		switch got {
		case ' ', '\n', '\r', '\t', ':':
			i = next
		default:
			return i
		}
	}
	return i
}
