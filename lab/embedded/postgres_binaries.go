package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// installHint is what to do where there is no Postgres.
const installHint = "install it (Debian, Ubuntu: apt install postgresql; Fedora: dnf install postgresql-server; " +
	"macOS: brew install postgresql@17, or Postgres.app), or set DATABASE_URL to a server that runs"

// searched are the places where packages put the server's programs, which are
// often not on the PATH.
func searched() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",              // Debian, Ubuntu
		"/usr/pgsql-*/bin",                       // Fedora, Red Hat (PGDG)
		"/usr/libexec/postgresql*",               // Alpine
		"/opt/homebrew/opt/postgresql*/bin",      // Homebrew, ARM
		"/usr/local/opt/postgresql*/bin",         // Homebrew, Intel
		"/Applications/Postgres.app/*/*/*/bin",   // Postgres.app: Contents/Versions/<n>/bin
		"/usr/local/pgsql/bin",                   // built from source
		"/usr/bin", "/usr/local/bin", "/opt/bin", // a service's PATH may be empty
	}
}

// findBinaries returns the folder of initdb and postgres.
func findBinaries(ctx context.Context, id identity, options PostgresOptions) (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if resolved, err := filepath.EvalSymlinks(found); err == nil && hasServer(filepath.Dir(resolved)) {
			return filepath.Dir(resolved), nil
		}
	}
	if dir := newestBinaries(searched()); dir != "" {
		return dir, nil
	}
	if options.NoDownload {
		return "", fmt.Errorf("%w: %s", ErrNoPostgres, installHint)
	}
	dir, err := downloadBinaries(ctx, id, options)
	if err != nil {
		return "", fmt.Errorf("%w on this machine, and it could not be downloaded (%w): %s", ErrNoPostgres, err, installHint)
	}
	return dir, nil
}

func newestBinaries(patterns []string) string {
	var newest string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, dir := range found {
			if hasServer(dir) && (newest == "" || slices.Compare(numbersIn(dir), numbersIn(newest)) > 0) {
				newest = dir
			}
		}
	}
	return newest
}

func hasServer(dir string) bool {
	return existingFile(dir, "initdb") && existingFile(dir, "postgres")
}

// numbersIn lists the numbers of a path, so that 17 sorts after 9.6.
func numbersIn(path string) []int {
	var numbers []int
	for _, field := range strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' }) {
		if number, err := strconv.Atoi(field); err == nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// downloadBinaries fetches and unpacks a Postgres, once per user.
func downloadBinaries(ctx context.Context, id identity, options PostgresOptions) (string, error) {
	home, err := downloadFolder(id)
	if err != nil {
		return "", err
	}
	unpacked := filepath.Join(home, "unpacked")
	if binaries := filepath.Join(unpacked, "bin"); hasServer(binaries) {
		return binaries, nil
	}
	if options.Logger != nil {
		options.Logger.InfoContext(ctx, "no Postgres on this machine: downloading one", slog.String("folder", home))
	}
	if err := fetch(ctx, home, unpacked); err != nil {
		return "", err
	}
	return filepath.Join(unpacked, "bin"), nil
}

// fetch has the library download and unpack, and no more: a server it started
// would outlive this process. An encoding that does not exist makes it give up
// right after unpacking. The library cannot be interrupted: when ctx ends first,
// its download is left behind and ends with the process.
func fetch(ctx context.Context, home, unpacked string) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	var output strings.Builder
	library := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		CachePath(home).BinariesPath(unpacked).RuntimePath(filepath.Join(home, "runtime")).
		DataPath(filepath.Join(home, "runtime", "data")).
		Port(port).Encoding("none-just-unpack").Logger(&output))
	ended := make(chan error, 1)
	go func() { ended <- library.Start() }()
	select {
	case err := <-ended:
		if hasServer(filepath.Join(unpacked, "bin")) {
			return nil
		}
		return errors.Join(errors.New("the download brought no server"), err)
	case <-ctx.Done():
		return fmt.Errorf("downloading Postgres: %w", ctx.Err())
	}
}

// downloadFolder is kept between runs, and for root it is where an ordinary user
// can get to.
func downloadFolder(id identity) (string, error) {
	base := "/var/cache"
	if id == (identity{}) {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	home := filepath.Join(base, "catalog-courier", "postgres")
	if err := os.MkdirAll(home, 0o755); err != nil { //nolint:gosec // programs, not secrets
		return "", err
	}
	return home, id.reaches(home)
}

func freePort(ctx context.Context) (uint32, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return uint32(port), err
}
