package fetch

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

var schemePattern = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)

// Parse checks an address and its options as far as that is possible without a network. location is a
// path, or an address that begins with file:, http://, https://, sftp:// or s3://. The error
// is an *Error of the kind ErrAddress.
func Parse(location string, options Options) (*Fetcher, error) {
	options = options.withDefaults()
	fetcher := &Fetcher{options: options}
	if err := checkLimits(&options); err != nil {
		return nil, err
	}
	scheme := ""
	if found := schemePattern.FindStringSubmatch(location); found != nil {
		scheme = strings.ToLower(found[1])
	}
	var err *Error
	switch scheme {
	case "":
		err = fetcher.parsePath(location)
	case "file":
		err = fetcher.parseFile(location)
	case "http", "https":
		err = fetcher.parseWeb(location)
	case "sftp":
		err = fetcher.parseSFTP(location)
	case "s3":
		err = fetcher.parseS3(location)
	default:
		err = fail(ErrAddress, fmt.Sprintf("%q is not a scheme that is read", legible.Clip(scheme, 20)),
			"write a path, file:, http://, https://, sftp:// or s3:// (a path with a colon begins with ./)")
	}
	if err != nil {
		err.Address = fetcher.shown
		return nil, err
	}
	return fetcher, nil
}

func checkLimits(options *Options) error {
	for name, value := range map[string]time.Duration{
		"timeout": options.Timeout, "stall timeout": options.StallTimeout, "connect timeout": options.ConnectTimeout,
	} {
		if value < 0 {
			return fail(ErrAddress, name+" is negative", "write a duration above zero")
		}
	}
	if options.MaxBytes < 0 {
		return fail(ErrAddress, "max bytes is negative", "write a number of bytes above zero")
	}
	return nil
}

func (f *Fetcher) parsePath(location string) *Error {
	f.shown = legible.Clip(userInfo.ReplaceAllString(location, "//"), 300) // http//user:password@… is a path
	if location == "" {
		return fail(ErrAddress, "it is empty", "write where the feed is")
	}
	if strings.ContainsRune(location, 0) {
		return fail(ErrAddress, "the path has a zero byte", "remove it")
	}
	if err := f.refuse("a local file", f.options.Username, f.options.Password, f.options.AccessKey, f.options.SecretKey,
		string(f.options.PrivateKey), strings.Join(slices.Collect(maps.Keys(f.options.Header)), "")); err != nil {
		return err
	}
	f.source, f.secrets, f.id = local{path: location, settle: settle}, newSecrets(), idOf("file:"+location)
	return nil
}

func (f *Fetcher) parseFile(location string) *Error {
	address, err := url.Parse(location)
	switch {
	case err != nil:
		return malformed()
	case address.RawQuery != "" || address.Fragment != "":
		return fail(ErrAddress, "an address with file: has no ? and no #", "escape them as %3F and %23, or write the bare path")
	case address.User != nil || address.Host != "" && !strings.EqualFold(address.Host, "localhost"):
		return fail(ErrAddress, "an address with file: names another host", "write file:///path, or sftp:// for a file of another host")
	case address.Opaque != "": // file:feeds/a.csv
		name, err := url.PathUnescape(address.Opaque)
		if err != nil {
			return malformed()
		}
		return f.parsePath(name)
	}
	return f.parsePath(address.Path)
}

// malformed does not show the address, which may hold a password anywhere.
func malformed() *Error {
	return fail(ErrAddress, "the address is malformed (it is not shown, because it may hold a password)",
		"write scheme://host/path; escape other characters, such as a blank as %20")
}

// parseURL is what http and sftp have in common. The login is moved from the address to the options.
func (f *Fetcher) parseURL(location string) (*url.URL, *Error) {
	address, err := url.Parse(location)
	if err != nil || address.Opaque != "" {
		return nil, malformed()
	}
	user := address.User
	address.User, address.Fragment, address.RawFragment = nil, "", ""
	if address.Hostname() == "" { // then its path may begin with a login
		return nil, fail(ErrAddress, "it has no host", "write scheme://host/path")
	}
	f.shown = show(address)
	if port := address.Port(); port != "" || strings.HasSuffix(address.Host, ":") {
		if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
			return nil, fail(ErrAddress, "its port is not between 1 and 65535", "correct the port, or leave it out")
		}
	}
	if user != nil {
		password, _ := user.Password()
		for _, both := range []struct {
			name   string
			option *string
			own    string
		}{{"username", &f.options.Username, user.Username()}, {"password", &f.options.Password, password}} {
			if both.own != "" && *both.option != "" && both.own != *both.option {
				return nil, fail(ErrAddress, "the address and the settings have different values for the "+both.name, "remove one of them")
			}
			if both.own != "" {
				*both.option = both.own
			}
		}
	}
	if strings.ContainsAny(f.options.Username+f.options.Password, "\r\n\x00") {
		return nil, fail(ErrAddress, "the username or the password has a line break", "write it on one line")
	}
	return address, nil
}

// show is an address without login and parameters. Those of a signed address are
// secrets, and which parameters of another are, its server alone knows.
func show(address *url.URL) string {
	shown := url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path, RawPath: address.RawPath}
	text := shown.String()
	if address.RawQuery != "" {
		text += "?…"
	}
	return legible.Clip(text, 300)
}

// refuse says which kind of address takes none of these options.
func (f *Fetcher) refuse(kind string, options ...string) *Error {
	if strings.Join(options, "") == "" {
		return nil
	}
	return fail(ErrAddress, kind+" does not take all of these settings",
		"http takes username, password and header; sftp username, password, private key and known hosts; s3 access key, secret key, region and endpoint")
}

func (f *Fetcher) parseWeb(location string) *Error {
	address, err := f.parseURL(location)
	if err != nil {
		return err
	}
	o := &f.options
	if err := f.refuse("http", o.AccessKey, o.SecretKey, string(o.PrivateKey)); err != nil {
		return err
	}
	values, travels := []string{o.Password}, o.Password != ""
	header, err := checkHeader(o.Header, o.Username != "")
	if err != nil {
		return err
	}
	for name, value := range header {
		values, travels = append(values, value...), travels || !harmless[name]
	}
	if o.Username == "" && o.Password != "" {
		return fail(ErrAddress, "there is a password and no username", "set username")
	}
	if strings.Contains(o.Username, ":") {
		return fail(ErrAddress, "a username of Basic authentication has no colon", "correct username")
	}
	if address.Scheme == "http" && travels && !near(address.Hostname()) {
		return fail(ErrAddress, "a password or a header would travel unencrypted", "write https://; only this machine and hosts of one label may be asked by http://")
	}
	if o.Username != "" {
		login := base64.StdEncoding.EncodeToString([]byte(o.Username + ":" + o.Password))
		header["Authorization"] = []string{"Basic " + login}
		values = append(values, login)
	}
	for name, parameters := range address.Query() {
		for _, value := range parameters {
			if len(value) >= 6 || value != "" && secretName.MatchString(name) {
				values = append(values, value)
			}
		}
	}
	f.secrets = newSecrets(values...)
	f.id = idOf(address.String())
	f.source = remote{attempter: &web{address: address, header: header, options: o, secrets: f.secrets}, name: path.Base(address.Path)}
	return nil
}

// secretName is the name of a parameter whose value is a secret however short it is.
var secretName = regexp.MustCompile(`(?i)pass|pwd|pin|key|token|secret|sig|auth|hash|code|cred|session`)

// near is this machine, or a host of one label, which is in the same network.
func near(host string) bool {
	if address := net.ParseIP(host); address != nil {
		return address.IsLoopback()
	}
	return !strings.Contains(strings.TrimSuffix(host, "."), ".")
}

func (f *Fetcher) parseSFTP(location string) *Error {
	address, err := f.parseURL(location)
	if err != nil {
		return err
	}
	o := &f.options
	if err := f.refuse("sftp", o.AccessKey, o.SecretKey, strings.Join(slices.Collect(maps.Keys(o.Header)), "")); err != nil {
		return err
	}
	name := address.Path
	switch {
	case address.RawQuery != "":
		return fail(ErrAddress, "an address with sftp: has no ?", "escape it as %3F")
	case strings.Trim(name, "/") == "", strings.HasSuffix(name, "/"):
		return fail(ErrAddress, "it names no file", "write sftp://host/folder/feed.csv, or sftp://host/~/feed.csv for a file of the login's own folder")
	case strings.ContainsRune(name, 0):
		return fail(ErrAddress, "the path has a zero byte", "remove it")
	case o.Username == "":
		return fail(ErrAddress, "there is no username", "write sftp://user@host/path, or set username")
	}
	name = strings.TrimPrefix(name, "/~/")
	port := address.Port()
	if port == "" {
		port = "22"
	}
	vault, err := newVault(o, net.JoinHostPort(address.Hostname(), port))
	if err != nil {
		return err
	}
	f.secrets = newSecrets(o.Password)
	f.id = idOf(address.String())
	f.source = remote{attempter: &sftpSource{vault: vault, path: name, options: o, secrets: f.secrets, settle: settle}, name: path.Base(name)}
	return nil
}
