package embedded

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// parentRole names the environment variable that turns this test binary into a
// parent of a Postgres, to be killed.
const parentRole = "COURIER_TEST_POSTGRES_PARENT"

func TestMain(m *testing.M) {
	if way := os.Getenv(parentRole); way != "" {
		runParent(way == "watched")
	}
	goleak.VerifyTestMain(m)
}

// runParent starts Postgres, says its process id, and waits to be killed.
func runParent(watched bool) {
	server, err := StartPostgres(context.Background(), PostgresOptions{NoDownload: true, watched: watched})
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	pid, err := os.ReadFile(filepath.Join(server.folder.path, "data", "postmaster.pid"))
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(strings.SplitN(string(pid), "\n", 2)[0] + " " + server.folder.path + "\n")
	select {}
}

func TestPostgresAnswersAndForgets(t *testing.T) {
	t.Parallel()
	server, err := StartPostgres(t.Context(), PostgresOptions{NoDownload: true})
	require.NoError(t, err)
	connection, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	var encoding, fsync string
	require.NoError(t, connection.QueryRow(t.Context(), "SHOW server_encoding").Scan(&encoding))
	require.NoError(t, connection.QueryRow(t.Context(), "SHOW fsync").Scan(&fsync))
	require.Equal(t, "UTF8", encoding)
	require.Equal(t, "off", fsync)
	require.NoError(t, connection.Close(t.Context()))
	require.NoError(t, server.Stop())
	require.NoError(t, server.Stop(), "stopping twice is harmless")
	require.NoDirExists(t, server.folder.path)
}

func TestPostgresKeepsItsFolder(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "courier-keep-*") //nolint:usetesting // its folder is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	options := PostgresOptions{Dir: dir, Durable: true, NoDownload: true}
	for run := range 2 {
		server, err := StartPostgres(t.Context(), options)
		require.NoError(t, err)
		connection, err := pgx.Connect(t.Context(), server.URL())
		require.NoError(t, err)
		_, err = connection.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
		require.NoError(t, err)
		var count int
		require.NoError(t, connection.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&count))
		require.Equal(t, run+1, count)
		require.NoError(t, connection.Close(t.Context()))
		if run == 0 {
			_, err = StartPostgres(t.Context(), options)
			require.ErrorContains(t, err, "in use by another process")
		}
		require.NoError(t, server.Stop())
	}
}

func TestPostgresURLIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	server, err := StartPostgres(t.Context(), PostgresOptions{URL: "postgres://elsewhere/courier"})
	require.NoError(t, err)
	require.Equal(t, "postgres://elsewhere/courier", server.URL())
	require.NoError(t, server.Stop())
}

func TestPostgresSaysWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := StartPostgres(t.Context(), PostgresOptions{NoDownload: true, Parameters: map[string]string{"no_such_setting": "1"}})
	require.ErrorContains(t, err, "no_such_setting")
}

func TestUnreachableFolderIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root starts Postgres as another user")
	}
	closed, err := os.MkdirTemp("", "courier-closed-*") //nolint:usetesting // its parents must be open
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(closed) })
	_, err = StartPostgres(t.Context(), PostgresOptions{Dir: filepath.Join(closed, "cluster"), NoDownload: true})
	require.ErrorContains(t, err, closed)
}

func TestPostgresDiesWithItsKilledParent(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"bound", "watched"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			executable, err := os.Executable()
			require.NoError(t, err)
			parent := exec.CommandContext(t.Context(), executable)
			parent.Env = append(os.Environ(), parentRole+"="+way)
			output, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			line, err := bufio.NewReader(output).ReadString('\n')
			require.NoError(t, err)
			text, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			pid, err := strconv.Atoi(text)
			require.NoError(t, err)
			require.True(t, alive(pid))

			require.NoError(t, parent.Process.Kill())
			require.Error(t, parent.Wait())
			require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 10*time.Millisecond)
		})
	}
}

func TestWatchedPostgresStopsAndSaysWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	server, err := StartPostgres(t.Context(), PostgresOptions{NoDownload: true, watched: true})
	require.NoError(t, err)
	require.NoError(t, server.Stop())
	require.NoError(t, server.process.Err(), "a fast shutdown ends with status 0")

	_, err = StartPostgres(t.Context(), PostgresOptions{
		NoDownload: true, watched: true, Parameters: map[string]string{"no_such_setting": "1"},
	})
	require.ErrorContains(t, err, "no_such_setting")
}

func TestNewestBinariesWin(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, version := range []string{"9.6", "15", "17"} {
		dir := filepath.Join(base, version, "bin")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		for _, program := range []string{"initdb", "postgres"} {
			if version == "17" && program == "postgres" {
				continue // a client package alone is no server
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, program), nil, 0o600))
		}
	}
	require.Equal(t, filepath.Join(base, "15", "bin"), newestBinaries([]string{filepath.Join(base, "*", "bin")}))
	require.Empty(t, newestBinaries([]string{filepath.Join(base, "none")}))
}

func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(state), ") Z ")
}

// What was committed outlives a crash of the server; its log says that it recovered.
func TestPostgresCrash(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "courier-crash-*") //nolint:usetesting // its folder is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	options := PostgresOptions{Dir: dir, Durable: true, NoDownload: true}
	server, err := StartPostgres(t.Context(), options)
	require.NoError(t, err)
	connection, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	_, err = connection.Exec(t.Context(), "CREATE TABLE kept (n int)")
	require.NoError(t, err)
	require.NoError(t, server.Crash())
	require.Error(t, connection.Ping(t.Context()))

	server, err = StartPostgres(t.Context(), options)
	require.NoError(t, err)
	connection, err = pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	_, err = connection.Exec(t.Context(), "SELECT FROM kept")
	require.NoError(t, err)
	require.NoError(t, connection.Close(t.Context()))
	require.NoError(t, server.Stop())
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "not properly shut down")
}
