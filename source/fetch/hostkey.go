package fetch

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// vault is what an SFTP connection is secured by.
type vault struct {
	address    string // host:port
	check      ssh.HostKeyCallback
	algorithms []string // of host keys, those that are known for the host first
	signer     ssh.Signer
	user       string
	password   string
}

// newVault reads the keys.
func newVault(o *Options, address string) (*vault, *Error) {
	v := &vault{address: address, user: o.Username, password: o.Password}
	if len(bytes.TrimSpace(o.KnownHosts)) == 0 {
		return nil, fail(ErrAddress, "there are no known hosts, so the server cannot be told from an impostor",
			"set known_hosts_file; ssh-keyscan writes the line of a host, whose fingerprint is then to be compared with what its owner says")
	}
	var failed *Error
	if v.check, failed = knownHosts(o.Spool, o.KnownHosts); failed != nil {
		return nil, failed
	}
	authorities, failed := knownHosts(o.Spool, authorityLines(o.KnownHosts))
	if failed != nil {
		return nil, failed
	}
	v.algorithms = algorithms(knownTypes(v.check, address), len(knownTypes(authorities, address)) > 0)
	if len(o.PrivateKey) == 0 {
		if o.Password == "" {
			return nil, fail(ErrAddress, "there is neither a password nor a private key", "set password_file or private_key_file")
		}
		return v, nil
	}
	var err error
	v.signer, err = ssh.ParsePrivateKey(o.PrivateKey)
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		if o.Password == "" {
			return nil, fail(ErrAddress, "the private key is encrypted", "set password_file to its passphrase, or write the key without one")
		}
		v.signer, err = ssh.ParsePrivateKeyWithPassphrase(o.PrivateKey, []byte(o.Password))
		v.password = "" // it is the key's, and no server may see it
	}
	if err != nil { // its text may quote the key
		return nil, fail(ErrAddress, "the private key cannot be read, or its passphrase is wrong", "write a private key as ssh-keygen does; a public key and a key of PuTTY are not read")
	}
	return v, nil
}

// knownHosts reads the text of a known_hosts file. The library reads files only.
func knownHosts(folder string, text []byte) (ssh.HostKeyCallback, *Error) {
	file, err := os.CreateTemp(folder, "courier-known-hosts-*")
	if err != nil {
		return nil, failLocally(err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, failLocally(err)
	}
	check, err := knownhosts.New(file.Name())
	if err != nil {
		return nil, fail(ErrAddress, "the known hosts are not in the format of a known_hosts file", "write what ssh-keyscan prints: host, type and key in one line")
	}
	return check, nil
}

func authorityLines(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("@cert-authority")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// knownTypes are the types of the keys that are known for a host: those that are wanted
// instead of a key that nobody has.
func knownTypes(check ssh.HostKeyCallback, address string) []string {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil
	}
	nobodys, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil
	}
	var types []string
	if unknown := (*knownhosts.KeyError)(nil); errors.As(check(address, &net.TCPAddr{}, nobodys), &unknown) {
		for _, known := range unknown.Want {
			types = append(types, known.Key.Type())
		}
	}
	return types
}

// algorithms asks for the keys that are known, because a server shows one key of several. The
// others follow, so that an error can name the key that the server has.
func algorithms(known []string, authority bool) []string {
	var first, certificates, rest []string
	for _, algorithm := range ssh.SupportedAlgorithms().HostKeys {
		isKnown := slices.Contains(known, algorithm) ||
			slices.Contains(known, ssh.KeyAlgoRSA) && (algorithm == ssh.KeyAlgoRSASHA256 || algorithm == ssh.KeyAlgoRSASHA512)
		switch {
		case isCertificate(algorithm):
			certificates = append(certificates, algorithm)
		case isKnown:
			first = append(first, algorithm)
		default:
			rest = append(rest, algorithm)
		}
	}
	if authority {
		return slices.Concat(certificates, first, rest)
	}
	return slices.Concat(first, rest) // a certificate would not be compared with a known key
}

func isCertificate(algorithm string) bool {
	return strings.HasSuffix(algorithm, "-cert-v01@openssh.com")
}

// verify is the check of a host's key, with errors that say what to do.
func (v *vault) verify(address string, remote net.Addr, key ssh.PublicKey) error {
	err := v.check(address, remote, key)
	if err == nil {
		return nil
	}
	shows := fmt.Sprintf("the server shows the key %s %s", key.Type(), ssh.FingerprintSHA256(key))
	unknown := (*knownhosts.KeyError)(nil)
	switch {
	case errors.As(err, new(*knownhosts.RevokedError)):
		return fail(ErrHostKey, shows+", which known_hosts has as revoked", "ask the server's owner for its new key")
	case !errors.As(err, &unknown):
		return fail(ErrHostKey, shows+", a certificate that is not valid for this host", "ask the server's owner for its authority's key, or for a valid certificate")
	case len(unknown.Want) == 0:
		return fail(ErrHostKey, shows+", and known_hosts has no line for this host",
			"compare the fingerprint with what the server's owner says, and if it is the same, add this line to known_hosts_file: "+knownhosts.Line([]string{address}, key))
	}
	var wanted []string
	for _, known := range unknown.Want {
		wanted = append(wanted, known.Key.Type()+" "+ssh.FingerprintSHA256(known.Key))
	}
	return fail(ErrHostKey, fmt.Sprintf("%s, and known_hosts has %v: another server answers, or its key was replaced", shows, wanted),
		"ask the server's owner before you replace the line in known_hosts_file")
}
