package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/catalog-courier/catalog-courier/internal/sleep"
)

// sftpSource is a file of an SFTP server.
type sftpSource struct {
	vault   *vault
	path    string // relative to the login's folder, or absolute
	options *Options
	secrets *secrets
	settle  time.Duration
}

// attempt connects, logs in and reads the file.
func (s *sftpSource) attempt(ctx context.Context, d *download) error {
	if err := d.begin(); err != nil {
		return err
	}
	asked := time.Now()
	dialer := &net.Dialer{Timeout: s.options.ConnectTimeout}
	connection, err := dialer.DialContext(ctx, "tcp", s.vault.address)
	if err != nil {
		return unreachable(err, s.secrets)
	}
	defer func() { _ = connection.Close() }()
	// The end of the attempt ends all that waits for the server.
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
	d.alive()
	client, err := s.open(connection)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	d.alive()
	return s.read(ctx, client, d, asked)
}

// session closes what is in it.
type session struct {
	*sftp.Client

	login *ssh.Client
}

func (s session) Close() error { return errors.Join(s.Client.Close(), s.login.Close()) }

// open logs in.
func (s *sftpSource) open(connection net.Conn) (session, error) {
	var refused *Error
	conn, channels, requests, err := ssh.NewClientConn(connection, s.vault.address, &ssh.ClientConfig{
		User: s.vault.user,
		Auth: s.vault.methods(),
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			err := s.vault.verify(address, remote, key)
			errors.As(err, &refused)
			return err
		},
		HostKeyAlgorithms: s.vault.algorithms,
		ClientVersion:     "SSH-2.0-CatalogCourier",
	})
	switch {
	case refused != nil:
		return session{}, refused
	case err != nil && strings.Contains(err.Error(), "unable to authenticate"):
		return session{}, fail(ErrDenied, s.secrets.clean(strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")),
			"check username, password_file and private_key_file, and whether the server has the public key")
	case err != nil && strings.Contains(err.Error(), "no common algorithm"):
		return session{}, fail(ErrUnreachable, s.secrets.clean(err.Error()), "the server knows only methods that are not safe any more: it needs an update")
	case err != nil:
		return session{}, failLater(ErrUnreachable, s.secrets.clean(err.Error()), "check host and port, and whether an SSH server is there")
	}
	login := ssh.NewClient(conn, channels, requests)
	client, err := sftp.NewClient(login)
	if err != nil {
		_ = login.Close()
		return session{}, failLater(ErrUnreachable, "the login worked, and SFTP did not begin: "+s.secrets.clean(err.Error()), "let the server's owner allow SFTP for this login")
	}
	return session{Client: client, login: login}, nil
}

// methods are the ways to log in, the key first.
func (v *vault) methods() []ssh.AuthMethod {
	var methods []ssh.AuthMethod
	if v.signer != nil {
		methods = append(methods, ssh.PublicKeys(v.signer))
	}
	if v.password == "" {
		return methods
	}
	asked := 0
	return append(methods, ssh.Password(v.password), ssh.KeyboardInteractive(
		func(_, _ string, questions []string, echos []bool) ([]string, error) {
			if asked++; asked > 3 {
				return nil, errors.New("the server asks without end")
			}
			answers := make([]string, len(questions))
			for i := range questions {
				if echos[i] {
					return nil, errors.New("the server asks for more than a password")
				}
				answers[i] = v.password
			}
			return answers, nil
		}))
}

// read gets the file, and looks before and after whether it is being written.
func (s *sftpSource) read(ctx context.Context, client session, d *download, asked time.Time) error {
	before, err := client.Stat(s.path)
	if err != nil {
		return s.failed("looking at the file", err)
	}
	switch {
	case before.IsDir():
		return fail(ErrNotFound, "it is a folder", "name the file")
	case !before.Mode().IsRegular():
		return fail(ErrNotFound, fmt.Sprintf("it is not a regular file (%s)", before.Mode().Type()), "name a file")
	case before.Size() > s.options.MaxBytes:
		return tooLarge(before.Size(), s.options.MaxBytes)
	}
	now := time.Now()
	stat := statOf(before.Size(), before.ModTime())
	if d.former.stat == stat {
		return fail(ErrUnchanged, "", "")
	}
	file, err := client.Open(s.path)
	if err != nil {
		return s.failed("opening the file", err)
	}
	defer func() { _ = file.Close() }() // only read
	d.total = before.Size()
	err = d.spool.take(reading{ctx: ctx, from: file, alive: d.alive})
	if own := (*Error)(nil); errors.As(err, &own) {
		return own
	}
	if err != nil {
		return failLater(ErrShort, fmt.Sprintf("%d of %d bytes came (%s)", d.spool.size, d.total, s.secrets.clean(err.Error())), "look at the server's log and the network")
	}
	if recent(before.ModTime(), now, s.settle) {
		if err := s.wait(ctx, d); err != nil {
			return err
		}
	}
	after, err := client.Stat(s.path)
	if err != nil {
		return s.failed("looking at the file again", err)
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return changed()
	}
	if d.spool.size != d.total {
		return failLater(ErrShort, fmt.Sprintf("%d of %d bytes came", d.spool.size, d.total), "look at the server's log")
	}
	d.at, d.notes = modification(before.ModTime(), asked, now, nil)
	if before.ModTime().After(earliest) && (now.Sub(before.ModTime()) >= time.Minute || time.Since(now) > 2*time.Second) {
		d.found.stat = stat // what is written from now on has a later time
	}
	return nil
}

// wait is a pause that the watch takes for progress.
func (s *sftpSource) wait(ctx context.Context, d *download) error {
	step := min(s.settle, s.options.StallTimeout/2)
	for waited := time.Duration(0); waited < s.settle; waited += step {
		d.alive()
		if err := sleep.For(ctx, step); err != nil {
			return err
		}
	}
	d.alive()
	return nil
}

// failed is an error of the server about the file.
func (s *sftpSource) failed(doing string, err error) *Error {
	what := doing + ": " + s.secrets.clean(err.Error())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(ErrNotFound, what, "check the path: sftp://host/a is /a, and sftp://host/~/a is relative to the login's folder")
	case errors.Is(err, os.ErrPermission):
		return fail(ErrDenied, what, "let the login read the file and enter its folders")
	}
	return failLater(ErrStatus, what, "look at the server's log")
}
