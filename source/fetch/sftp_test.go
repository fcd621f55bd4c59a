package fetch_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

const sftpPassword = "sftp-pw-secret"

// sshServer is a real SFTP server on a folder.
type sshServer struct {
	address string
	folder  string
	keys    []ssh.Signer // of the host
	config  *ssh.ServerConfig
	// wrap changes the connection of a session, if it is set.
	wrap func(io.ReadWriteCloser) io.ReadWriteCloser
	// hang: no session begins.
	hang atomic.Bool
	// passwords is how many were shown to the server.
	passwords atomic.Int32
}

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	return signer, pem.EncodeToMemory(block)
}

func newSSHServer(t *testing.T, change func(*sshServer)) *sshServer {
	t.Helper()
	key, _ := newKey(t)
	second, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ssh.NewSignerFromKey(second)
	require.NoError(t, err)
	s := &sshServer{folder: t.TempDir(), keys: []ssh.Signer{other, key}}
	s.config = &ssh.ServerConfig{
		PasswordCallback: func(login ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			s.passwords.Add(1)
			if login.User() == "shop" && string(password) == sftpPassword {
				return nil, nil
			}
			return nil, errors.New("no")
		},
	}
	if change != nil {
		change(s)
	}
	for _, key := range s.keys {
		s.config.AddHostKey(key)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	var working sync.WaitGroup
	t.Cleanup(working.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	working.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			working.Go(func() { s.talk(connection, &working) })
		}
	})
	return s
}

func (s *sshServer) talk(connection net.Conn, working *sync.WaitGroup) {
	defer func() { _ = connection.Close() }()
	conn, channels, requests, err := ssh.NewServerConn(connection, s.config)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	working.Go(func() { ssh.DiscardRequests(requests) })
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		working.Go(func() {
			for request := range requests {
				_ = request.Reply(request.Type == "subsystem" && string(request.Payload[4:]) == "sftp", nil)
			}
		})
		if s.hang.Load() {
			continue
		}
		working.Go(func() {
			var session io.ReadWriteCloser = channel
			if s.wrap != nil {
				session = s.wrap(channel)
			}
			server, err := sftp.NewServer(session, sftp.ReadOnly(), sftp.WithServerWorkingDirectory(s.folder))
			if err == nil {
				_ = server.Serve()
				_ = server.Close()
			}
		})
	}
}

// known is the line of known_hosts of the server's key with a number.
func (s *sshServer) known(number int) []byte {
	return []byte("# comment\n" + knownhosts.Line([]string{s.address}, s.keys[number].PublicKey()) + "\n")
}

func (s *sshServer) write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(s.folder, "feed.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	hourAgo(t, path)
	return path
}

func (s *sshServer) options(t *testing.T) fetch.Options {
	t.Helper()
	options := quick(t)
	options.Username, options.Password, options.KnownHosts = "shop", sftpPassword, s.known(1)
	return options
}

func (s *sshServer) fetcher(t *testing.T, options fetch.Options) *fetch.Fetcher {
	t.Helper()
	fetcher := parse(t, "sftp://"+s.address+"/~/feed.csv", options)
	fetch.SetSettle(fetcher, 200*time.Millisecond)
	return fetcher
}

func TestSFTPContent(t *testing.T) {
	t.Parallel()
	server := newSSHServer(t, nil)
	long := strings.Repeat(content, 40_000)
	path := server.write(t, long)
	options := server.options(t)
	fetcher := server.fetcher(t, options)
	file, read := get(t, fetcher, "")
	same(t, long, read)
	require.Equal(t, "feed.csv", file.Name)
	require.WithinDuration(t, time.Now().Add(-time.Hour), file.At, time.Minute)
	require.Empty(t, file.Notes)
	require.Empty(t, remains(t, options.Spool))
	absolute := parse(t, "sftp://"+server.address+path, options)
	_, read = get(t, absolute, file.Fingerprint)
	same(t, long, read)

	failsWith(t.Context(), t, fetcher, options, file.Fingerprint, fetch.ErrUnchanged)
	later := time.Now().Add(-time.Minute * 30)
	require.NoError(t, os.Chtimes(path, later, later))
	failsWith(t.Context(), t, fetcher, options, file.Fingerprint, fetch.ErrUnchanged) // by its content
	server.write(t, content)
	_, read = get(t, fetcher, file.Fingerprint)
	require.Equal(t, content, read)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, read = get(t, fetcher, "")
	require.Empty(t, read)
}

// TestSFTPRecentFile has no fingerprint of size and time before its time cannot be that
// of the next version.
func TestSFTPRecentFile(t *testing.T) {
	t.Parallel()
	server := newSSHServer(t, nil)
	path := server.write(t, content)
	now := time.Now()
	require.NoError(t, os.Chtimes(path, now, now))
	fetcher := server.fetcher(t, server.options(t))
	file, _ := get(t, fetcher, "")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(content, "10.00", "11.00", 1)), 0o600))
	require.NoError(t, os.Chtimes(path, now, now))
	_, read := get(t, fetcher, file.Fingerprint)
	require.Contains(t, read, "11.00")
}

func TestSFTPUploadInProgress(t *testing.T) {
	t.Parallel()
	server := newSSHServer(t, nil)
	path := server.write(t, content)
	require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
					_, _ = file.WriteString("3,chair,5.00 EUR\n")
					_ = file.Close()
				}
			}
		}
	})
	options := server.options(t)
	fetcher := server.fetcher(t, options)
	fetch.SetSettle(fetcher, 2*time.Second) // times of modification have whole seconds
	err := fails(t, fetcher, options, fetch.ErrChangedWhileRead)
	require.ErrorIs(t, err, fetch.ErrTemporary)
	close(stop)
	writing.Wait()
	options.RetryFor = 5 * time.Second
	get(t, server.fetcher(t, options), "")
}

func TestSFTPHostKeys(t *testing.T) {
	t.Parallel()
	server := newSSHServer(t, nil)
	server.write(t, content)
	stranger, _ := newKey(t)
	hashed := knownhosts.HashHostname(knownhosts.Normalize(server.address)) + " " + string(ssh.MarshalAuthorizedKey(server.keys[1].PublicKey()))
	for name, known := range map[string]string{
		"one of the server's two": string(server.known(0)), "the other": string(server.known(1)), "hashed": hashed,
		"wildcard":         "[127.0.0.*]:* " + string(ssh.MarshalAuthorizedKey(server.keys[1].PublicKey())),
		"also another one": string(server.known(1)) + knownhosts.Line([]string{server.address}, stranger.PublicKey()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "wildcard" { // ports cannot be patterns
				known = strings.Replace(known, "*]:*", "1]:"+server.address[strings.LastIndex(server.address, ":")+1:], 1)
			}
			options := server.options(t)
			options.KnownHosts = []byte(known)
			_, read := get(t, server.fetcher(t, options), "")
			require.Equal(t, content, read)
		})
	}
	for name, test := range map[string]struct{ known, text string }{
		"unknown":  {"other.example " + string(ssh.MarshalAuthorizedKey(server.keys[1].PublicKey())), "no line for this host"},
		"changed":  {knownhosts.Line([]string{server.address}, stranger.PublicKey()), ssh.FingerprintSHA256(stranger.PublicKey())},
		"revoked":  {string(server.known(1)) + "@revoked * " + string(ssh.MarshalAuthorizedKey(server.keys[1].PublicKey())), "revoked"},
		"port":     {"127.0.0.1 " + string(ssh.MarshalAuthorizedKey(server.keys[1].PublicKey())), "no line for this host"},
		"no lines": {"# empty", "add this line to known_hosts_file: [127.0.0.1]:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := server.options(t)
			options.KnownHosts, options.RetryFor = []byte(test.known), time.Minute
			err := fails(t, server.fetcher(t, options), options, fetch.ErrHostKey)
			require.ErrorContains(t, err, test.text)
			require.True(t, strings.Contains(err.Error(), ssh.FingerprintSHA256(server.keys[0].PublicKey())) ||
				strings.Contains(err.Error(), ssh.FingerprintSHA256(server.keys[1].PublicKey())), err.Error())
			require.NotErrorIs(t, err, fetch.ErrTemporary)
		})
	}
}

// TestSFTPHostKeyIsTheOneToAdd: the line that the error shows works.
func TestSFTPHostKeyIsTheOneToAdd(t *testing.T) {
	t.Parallel()
	server := newSSHServer(t, nil)
	server.write(t, content)
	options := server.options(t)
	options.KnownHosts = []byte("# none yet")
	err := fails(t, server.fetcher(t, options), options, fetch.ErrHostKey)
	_, line, _ := strings.Cut(err.Error(), "known_hosts_file: ")
	options.KnownHosts = []byte(line)
	get(t, server.fetcher(t, options), "")
}

func TestSFTPHostCertificate(t *testing.T) {
	t.Parallel()
	authority, _ := newKey(t)
	server := newSSHServer(t, func(s *sshServer) {
		certificate := &ssh.Certificate{CertType: ssh.HostCert, Key: s.keys[1].PublicKey(), ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
		require.NoError(t, certificate.SignCert(rand.Reader, authority))
		signer, err := ssh.NewCertSigner(certificate, s.keys[1])
		require.NoError(t, err)
		s.config.AddHostKey(signer)
	})
	server.write(t, content)
	options := server.options(t)
	get(t, server.fetcher(t, options), "") // by its plain key
	port := server.address[strings.LastIndex(server.address, ":")+1:]
	options.KnownHosts = []byte("@cert-authority [127.0.0.1]:" + port + " " + string(ssh.MarshalAuthorizedKey(authority.PublicKey())))
	_, read := get(t, server.fetcher(t, options), "")
	require.Equal(t, content, read)
}

func TestSFTPLogins(t *testing.T) {
	t.Parallel()
	key, private := newKey(t)
	server := newSSHServer(t, func(s *sshServer) {
		s.config.PublicKeyCallback = func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
			if string(offered.Marshal()) == string(key.PublicKey().Marshal()) {
				return nil, nil
			}
			return nil, errors.New("no")
		}
	})
	server.write(t, content)
	options := server.options(t)
	options.Password, options.PrivateKey = "", private
	get(t, server.fetcher(t, options), "")
	raw, err := ssh.ParseRawPrivateKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(raw.(*ed25519.PrivateKey), "", []byte("phrase-secret"))
	require.NoError(t, err)
	options.PrivateKey = pem.EncodeToMemory(block)
	for _, wrong := range []string{"", "wrong-secret"} {
		options.Password = wrong
		_, err = fetch.Parse("sftp://"+server.address+"/a", options)
		require.ErrorIs(t, err, fetch.ErrAddress)
		require.NotContains(t, err.Error(), "secret")
	}
	options.Password = "phrase-secret"
	get(t, server.fetcher(t, options), "")
	require.Zero(t, server.passwords.Load())
	_, other, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err = ssh.MarshalPrivateKeyWithPassphrase(other, "", []byte("phrase-secret"))
	require.NoError(t, err)
	options.PrivateKey = pem.EncodeToMemory(block)
	fails(t, server.fetcher(t, options), options, fetch.ErrDenied)
	require.Zero(t, server.passwords.Load(), "a passphrase is not shown to a server that refuses the key")

	options = server.options(t)
	options.Password, options.RetryFor = "wrong-secret", time.Minute
	denied := fails(t, server.fetcher(t, options), options, fetch.ErrDenied)
	require.ErrorContains(t, denied, "unable to authenticate")
	require.NotContains(t, denied.Error(), "wrong-secret")
	_, options.PrivateKey = newKey(t)
	fails(t, server.fetcher(t, options), options, fetch.ErrDenied)

	interactive := newSSHServer(t, func(s *sshServer) {
		s.config.PasswordCallback = nil
		s.config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 || answers[0] != sftpPassword {
				return nil, errors.New("no")
			}
			return nil, nil
		}
	})
	interactive.write(t, content)
	get(t, interactive.fetcher(t, interactive.options(t)), "")
}

func TestSFTPFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := newSSHServer(t, nil)
	options := server.options(t)
	fails(t, server.fetcher(t, options), options, fetch.ErrNotFound)
	fails(t, parse(t, "sftp://"+server.address+server.folder, options), options, fetch.ErrNotFound)
	server.write(t, content)
	options.MaxBytes = 10
	fails(t, server.fetcher(t, options), options, fetch.ErrTooLarge)
}

// cutting ends a session after so many bytes to the client, or only stops to send.
type cutting struct {
	io.ReadWriteCloser

	left  int
	stop  bool
	ended chan struct{}
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left > 0 {
		return c.ReadWriteCloser.Write(p)
	}
	if c.stop {
		<-c.ended
	}
	_ = c.Close()
	return 0, io.ErrClosedPipe
}

func TestSFTPServersThatBreak(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	for _, stop := range []bool{false, true} {
		server := newSSHServer(t, func(s *sshServer) {
			s.wrap = func(session io.ReadWriteCloser) io.ReadWriteCloser { return &cutting{session, 500_000, stop, ended} }
		})
		server.write(t, strings.Repeat(content, 40_000))
		options := server.options(t)
		kind := fetch.ErrShort
		if stop {
			options.StallTimeout, kind = 300*time.Millisecond, fetch.ErrStalled
		}
		fails(t, server.fetcher(t, options), options, kind)
	}
	close(ended)

	server := newSSHServer(t, nil)
	server.hang.Store(true)
	options := server.options(t)
	options.StallTimeout = 300 * time.Millisecond
	fails(t, server.fetcher(t, options), options, fetch.ErrStalled)

	web := serve(t, nil)
	options.KnownHosts = []byte("# none")
	fails(t, parse(t, "sftp://"+strings.TrimPrefix(web, "http://")+"/a", options), options, fetch.ErrUnreachable)
}
