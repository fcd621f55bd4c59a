package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
)

// hostAndPort is an address that lacks nothing but its scheme. A user or password it
// cannot have.
var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]{1,5}$`)

func (l *loader) checkInfrastructure() {
	for address := range strings.SplitSeq(l.config.NATS.URL.Reveal(), ",") {
		if address = strings.TrimSpace(address); !isNATSServer(address) {
			hint := ""
			if hostAndPort.MatchString(address) { // and no secret
				hint = "; did you mean nats://" + address + "?"
			}
			l.reportAtf("nats.url", "is not a NATS address: nats://, tls://, ws:// or wss://, then host and port; %s%s", encoded, hint)
			break
		}
	}
	if address := l.config.Database.URL; !address.IsZero() && !isDatabase(address.Reveal()) {
		l.reportAtf("database.url", "is not a Postgres address: postgres://user:password@host:5432/name; %s", encoded)
	}
	if seed := l.config.NATS.NkeySeed; !seed.IsZero() && !isUserSeed(seed.Reveal()) {
		l.reportAtf("nats.nkey_seed", "is not the seed of a user's nkey: 58 letters and digits that begin with SU")
	}
	if n := l.config.NATS; n.CredsFile != "" && !n.NkeySeed.IsZero() {
		l.reportAtf("nats.nkey_seed", "give either nkey_seed or creds_file")
	}
	if tls := l.config.NATS.TLS; (tls.CertFile == "") != (tls.KeyFile == "") {
		l.reportAtf("nats.tls", "cert_file and key_file are only of use together")
	}
	l.checkConsole()
}

// isUserSeed reports a seed that the client can sign with.
func isUserSeed(seed string) bool {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return false
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	return err == nil && nkeys.IsValidPublicUserKey(public)
}

const encoded = "what is special in a user or password is percent-encoded (@ is %40)"

// isNATSServer reports the address of a server. What it lets through the client can
// read: the client's own errors quote the address, with the password.
func isNATSServer(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.Hostname() != "" && !strings.Contains(parsed.Path, "@") &&
		slices.Contains([]string{"nats", "tls", "ws", "wss"}, parsed.Scheme)
}

// isDatabase reports an address of Postgres. With an @ in a password the rest of it
// would be taken for a part of the host's name, which errors tell.
func isDatabase(address string) bool {
	scheme, rest, found := strings.Cut(address, "://")
	if !found || rest == "" || !slices.Contains([]string{"postgres", "postgresql"}, scheme) {
		return false
	}
	_, host, _ := strings.Cut(rest, "@")
	host, _, _ = strings.Cut(host, "?")
	return !strings.Contains(host, "@")
}
