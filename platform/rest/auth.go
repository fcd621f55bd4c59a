package rest

import "regexp"

// Auth is how an access token travels with each call.
type Auth struct {
	// Header carries Prefix and the token.
	Header string
	Prefix string
	// Proof, when not nil, makes a second secret of the token, which travels as the
	// query parameter ProofParameter.
	Proof          func(token string) string
	ProofParameter string
	// TokenShapes matches tokens in the platform's words, so that they are never shown;
	// nil for none. The account's own token is never shown in any case.
	TokenShapes *regexp.Regexp
}

// Bearer is the Authorization header of RFC 6750.
func Bearer(tokenShapes *regexp.Regexp) Auth {
	return Auth{Header: "Authorization", Prefix: "Bearer ", TokenShapes: tokenShapes}
}

// Header is a header that is the token alone.
func Header(name string, tokenShapes *regexp.Regexp) Auth {
	return Auth{Header: name, TokenShapes: tokenShapes}
}
