package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// fileInterval is how often a file is read again unasked.
	fileInterval = 30 * time.Second
	// refusedInterval is the pause between two looks at a file whose token the
	// platform refuses.
	refusedInterval = time.Second
	maxFile         = 64 << 10
)

// File is a source of the token that stands in a file. The file is read again from
// time to time, and when the platform refuses the token, so that replacing it
// needs no restart.
type File struct {
	path   string
	logger *slog.Logger

	mu      sync.Mutex
	token   config.Secret
	refused bool
	readAt  time.Time
}

// NewFile makes a source from a file and the token that was read from it.
func NewFile(path string, token config.Secret, logger *slog.Logger) *File {
	return &File{path: path, token: token, readAt: time.Now(), logger: logger}
}

// Token implements Source. A file that cannot be read leaves the token as it was.
func (f *File) Token(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	interval := fileInterval
	if f.refused {
		interval = refusedInterval
	}
	if time.Since(f.readAt) < interval {
		return f.token.Reveal(), nil
	}
	f.readAt = time.Now()
	switch token, err := readToken(f.path); {
	case err != nil:
		f.logger.WarnContext(ctx, "the file of an access token cannot be read; the token is kept as it was",
			slog.String("file", f.path), slog.Any("error", err))
	case token != f.token.Reveal():
		f.token, f.refused = config.NewSecret(token), false
		f.logger.InfoContext(ctx, "the file holds another access token; it is used from now on", slog.String("file", f.path))
	}
	return f.token.Reveal(), nil
}

// Refused implements Source.
func (f *File) Refused(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = f.refused || token == f.token.Reveal()
}

// Name implements Source. Accounts that share a file share their quotas.
func (f *File) Name() string { return platform.CredentialsHash("file", f.path) }

// Format keeps the token out of whatever is printed.
func (f *File) Format(state fmt.State, _ rune) { printName(state, "access token of file", f.path) }

// readToken reads a file by the rules of the configuration: one line, which may end.
func readToken(path string) (token string, err error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", err
	}
	token = strings.TrimRight(string(content), "\r\n")
	switch {
	case len(content) > maxFile:
		return "", errors.New("it is too large for a token")
	case token == "":
		return "", errors.New("it is empty")
	case strings.ContainsAny(token, "\r\n\x00"):
		return "", errors.New("it must not contain line breaks")
	}
	return token, nil
}
