package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// rules let the owner of the socket's folder in as before, and over TCP who knows the
// password: others on this machine can reach the port. Of each rule the first two words are the
// database and the user.
//
//nolint:dupword // all databases, all users
const rules = `local all all               trust
host  all all 127.0.0.1/32  scram-sha-256
`

func (c cluster) rulesFile() string    { return filepath.Join(c.folder.path, "hba.conf") }
func (c cluster) passwordFile() string { return filepath.Join(c.folder.path, "password") }

// listen are the settings of a server that listens on 127.0.0.1 as well; none without a Port.
func (c cluster) listen() map[string]string {
	if c.options.Port == 0 {
		return nil
	}
	return map[string]string{ //nolint:gosec // how passwords are kept, no password
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(c.options.Port), "hba_file": c.rulesFile(), "password_encryption": "scram-sha-256",
	}
}

// writeRules writes who may connect, for the server to read when it starts.
func (c cluster) writeRules() error {
	if c.options.Port == 0 {
		return nil
	}
	return os.WriteFile(c.rulesFile(), []byte(rules), 0o644) //nolint:gosec // the server may be another user; no secret is in it
}

var passwordForm = regexp.MustCompile(`^[A-Z2-7]{20,64}$`)

// password is the superuser's over TCP. It stays the same as long as the folder does, so
// that who keeps a connection in a program need not change it.
func (c cluster) password() (string, error) {
	kept, err := os.ReadFile(c.passwordFile())
	if err == nil && passwordForm.Match(kept) {
		return string(kept), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	fresh := rand.Text()
	return fresh, os.WriteFile(c.passwordFile(), []byte(fresh), 0o600)
}

// openTCP sets the password and returns the address by TCP; "" without a Port.
func (c cluster) openTCP(ctx context.Context) (string, error) {
	if c.options.Port == 0 {
		return "", nil
	}
	password, err := c.password()
	if err != nil {
		return "", fmt.Errorf("the password of Postgres: %w", err)
	}
	connection, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close(ctx) }()
	// A statement of its own takes no parameters; the form allows nothing to escape.
	if _, err := connection.Exec(ctx, "ALTER ROLE "+superuser+" PASSWORD '"+password+"'"); err != nil {
		return "", errors.New("setting the password of Postgres failed") // the error might repeat it
	}
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.options.Port)),
		Path: "/" + databaseName, RawQuery: "sslmode=disable",
	}).String(), nil
}
