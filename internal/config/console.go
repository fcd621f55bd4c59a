package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// The kinds of login of the console.
const (
	LoginNone   = "none"
	LoginBasic  = "basic"
	LoginHeader = "header"
	LoginOIDC   = "oidc"
)

// Console is the web console of `worker console` and `worker run --console`.
type Console struct {
	Listen string
	// Prefix begins the path of every page, such as /courier; "" for none.
	Prefix            string
	CertFile, KeyFile string
	// Actions lets operators act. Without it everybody only reads.
	Actions bool
	Login   string
	// UsersFile has the names and bcrypt hashes of LoginBasic.
	UsersFile string
	// Operators are names, OperatorGroups groups that may act; the others only read.
	Operators, OperatorGroups []string
	// TrustedProxies are the addresses whose headers LoginHeader believes: see AddressRange.
	TrustedProxies           []string
	UserHeader, GroupsHeader string
	OIDC                     OIDC
}

// OIDC is the provider of LoginOIDC.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret Secret
	// URL is the console's own address as browsers see it.
	URL                    string
	NameClaim, GroupsClaim string
	// ViewerGroups may look; none means everybody whom the provider knows.
	ViewerGroups []string
	SessionFor   time.Duration
	// CookieKey signs the cookies, at least 32 bytes; none means a random one.
	CookieKey Secret
}

var (
	pathPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

const consoleHelp = "The web console of `worker console` and `worker run --console`: see docs/console.md."

func (l *loader) consoleSettings() []field {
	c := &l.config.Console
	list := []field{
		bind(setting.Text("listen", "Where it listens.", "host:port, or :port for all interfaces", listener.MatchString), &c.Listen),
		bind(setting.Text("prefix", "Begins the path of every page, behind a proxy that serves others as well.", "a path such as /courier, without a slash at its end", pathPrefix.MatchString), &c.Prefix),
		bind(setting.Text("tls_cert_file", "The server's certificate; without it the connection is not encrypted.", "the path of a file", notEmpty), &c.CertFile),
		bind(setting.Text("tls_key_file", "The certificate's key.", "the path of a file", notEmpty), &c.KeyFile),
		bind(setting.Boolean("actions", "Lets operators pause and resume accounts, replay, edit and dismiss dead letters, and approve withheld deletes. Without it everybody only reads."), &c.Actions),
		bind(setting.Choice("login", "How people log in. `none` is for a listener on loopback only.", LoginNone, LoginBasic, LoginHeader, LoginOIDC), &c.Login),
		bind(setting.Text("users_file", "Of `basic`: a file with a line `name:hash` for each person, the hash of bcrypt, as `htpasswd -B` writes it.", "the path of a file", notEmpty), &c.UsersFile),
		nameList("operators", "Names of people who may act.", &c.Operators),
		nameList("operator_groups", "Groups whose members may act; of `header` and `oidc`.", &c.OperatorGroups),
		commas(setting.Text("trusted_proxies", "Of `header`: whose headers are believed. Everybody else is refused.", "addresses such as 10.0.0.7 or 10.0.0.0/24, separated by commas", isAddressRange), &c.TrustedProxies),
		bind(setting.Text("user_header", "Of `header`: has the name of who logged in.", "the name of a header", headerName.MatchString), &c.UserHeader),
		bind(setting.Text("groups_header", "Of `header`: has the groups, separated by commas.", "the name of a header", headerName.MatchString), &c.GroupsHeader),
	}
	o := &c.OIDC
	provider := []field{ //nolint:prealloc // a handful
		bind(setting.Address("issuer", "Address of the OpenID Connect provider."), &o.Issuer),
		bind(setting.Text("client_id", "Under which the provider knows the console.", "text", notEmpty), &o.ClientID),
	}
	provider = append(provider, l.secret(setting.Sensitive("client_secret", "What proves it to the provider."), &o.ClientSecret, nil)...)
	provider = append(provider,
		bind(setting.Address("url", "The console's own address as browsers see it, with the prefix. The provider sends people back to its `/login/callback`."), &o.URL),
		bind(setting.Text("name_claim", "The claim that names somebody. `email` counts only where the provider says `email_verified`; without a name people are known by their `sub`.", "the name of a claim", notEmpty), &o.NameClaim),
		bind(setting.Text("groups_claim", "The claim that lists groups.", "the name of a claim", notEmpty), &o.GroupsClaim),
		nameList("viewer_groups", "Groups whose members may look; empty means everybody whom the provider knows.", &o.ViewerGroups),
		bind(setting.Duration("session", "How long a login lasts.", time.Minute, 7*24*time.Hour), &o.SessionFor))
	provider = append(provider, l.secret(setting.Sensitive("cookie_key", "Signs the cookies: at least 32 characters, the same for all replicas. Without it logins end with the process."), &o.CookieKey, nil)...)
	return slices.Concat(list, []field{section("oidc", "The provider of `oidc`.", provider...)})
}

// nameList declares a list of names, separated by commas.
func nameList(name, doc string, into *[]string) field {
	return commas(setting.Text(name, doc, "names, separated by commas", nil), into)
}

// commas declares a list of texts that are separated by commas; each must be allowed.
func commas(key setting.Key, into *[]string) field {
	return field{
		Key: key,
		assign: func(text string) error {
			*into = nil
			for part := range strings.SplitSeq(text, ",") {
				if part = strings.TrimSpace(part); part == "" {
					continue
				}
				if _, err := key.Read(part); err != nil {
					return err
				}
				*into = append(*into, part)
			}
			return nil
		},
		shown: func() string { return strings.Join(*into, ", ") },
	}
}

func isAddressRange(text string) bool {
	_, err := AddressRange(text)
	return err == nil
}

// AddressRange reads an address, or a range of addresses such as 10.0.0.0/24.
func AddressRange(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an address such as 10.0.0.7 or a range such as 10.0.0.0/24", text)
	}
	return prefix.Masked(), nil
}

// checkConsole refuses a login that cannot work, or that would leave the console open.
func (l *loader) checkConsole() {
	c := &l.config.Console
	const at = "console."
	if (c.CertFile == "") != (c.KeyFile == "") {
		l.reportAtf(at+"tls_cert_file", "tls_cert_file and tls_key_file are only of use together")
	}
	switch c.Login {
	case LoginNone:
		if !isLoopback(c.Listen) {
			l.reportAtf(at+"login", "must be basic, header or oidc: without a login the console listens on loopback only, and %s is not", c.Listen)
		}
	case LoginBasic:
		if c.UsersFile == "" {
			l.reportAtf(at+"users_file", "is missing: basic needs a file with a line name:hash for each person")
		}
	case LoginHeader:
		if len(c.TrustedProxies) == 0 {
			l.reportAtf(at+"trusted_proxies", "is missing: header believes the proxies only that are listed")
		}
	case LoginOIDC:
		for key, value := range map[string]string{"issuer": c.OIDC.Issuer, "client_id": c.OIDC.ClientID, "url": c.OIDC.URL} {
			if value == "" {
				l.reportAtf(at+"oidc."+key, "is missing: oidc needs it")
			}
		}
		if own, err := url.Parse(c.OIDC.URL); err == nil && c.OIDC.URL != "" && strings.TrimSuffix(own.Path, "/") != c.Prefix {
			l.reportAtf(at+"oidc.url", "must end with console.prefix")
		}
		const least = 32
		if !c.OIDC.CookieKey.IsZero() && len(c.OIDC.CookieKey.Reveal()) < least {
			l.reportAtf(at+"oidc.cookie_key", "is shorter than %d characters", least)
		}
	}
}

// isLoopback reports a listener that only this machine reaches.
func isLoopback(listen string) bool {
	host := listen[:strings.LastIndexByte(listen, ':')]
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && address.IsLoopback()
}
