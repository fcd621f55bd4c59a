package fetch_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// oldFile is a file that was modified an hour ago.
func oldFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed #1.csv")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	hourAgo(t, path)
	return path
}

func hourAgo(t *testing.T, path string) time.Time {
	t.Helper()
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(t, os.Chtimes(path, then, then))
	return then
}

func TestLocalFileIsReadWhereItIs(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	for _, location := range []string{path, "file://" + filepath.Dir(path) + "/feed%20%231.csv", "FILE://localhost" + filepath.Dir(path) + "/feed%20%231.csv"} {
		fetcher := parse(t, location, fetch.Options{})
		file, err := fetcher.Fetch(t.Context(), "")
		require.NoError(t, err, location)
		require.Equal(t, int64(len(content)), file.Bytes)
		require.Equal(t, "feed #1.csv", file.Name)
		require.WithinDuration(t, time.Now().Add(-time.Hour), file.At, time.Minute)
		require.Empty(t, file.Notes)
		require.NoError(t, file.Close())
		require.FileExists(t, path, "the feed itself is never removed")
		again, err := fetcher.Fetch(t.Context(), file.Fingerprint)
		require.ErrorIs(t, err, fetch.ErrUnchanged)
		require.Nil(t, again)
	}
}

// TestLocalChangeIsSeen: size and time of modification may be those of other content.
func TestLocalChangeIsSeen(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	fetcher := parse(t, path, fetch.Options{})
	file, _ := get(t, fetcher, "")
	then := hourAgo(t, path)
	require.NoError(t, os.WriteFile(path, []byte("id,title,price\n1,lamp,99.00 EUR\n2,desk,20.00 EUR\n"), 0o600))
	require.NoError(t, os.Chtimes(path, then, then))
	again, read := get(t, fetcher, file.Fingerprint)
	require.Contains(t, read, "99.00")
	require.NotEqual(t, file.Fingerprint, again.Fingerprint)
	other := parse(t, oldFile(t), fetch.Options{})
	_, read = get(t, other, file.Fingerprint)
	require.Equal(t, content, read, "a fingerprint of another address counts for nothing")
	for _, former := range []string{"%zz", "sha256=", "address=&sha256="} {
		get(t, fetcher, former)
	}
}

func TestLocalFileThatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"grows": func(path string) error {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteString("3,chair,5.00 EUR\n")
			return errorsOf(err, file.Close())
		},
		"same size": func(path string) error { return os.WriteFile(path, []byte(content), 0o600) },
		"replaced": func(path string) error {
			return errorsOf(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path))
		},
		"is removed":  os.Remove,
		"is cut":      func(path string) error { return os.Truncate(path, 10) },
		"is a folder": func(path string) error { return errorsOf(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := oldFile(t)
			fetcher := parse(t, path, fetch.Options{})
			file, err := fetcher.Fetch(t.Context(), "")
			require.NoError(t, err)
			require.NoError(t, file.Check())
			require.NoError(t, change(path))
			require.ErrorIs(t, file.Check(), fetch.ErrChangedWhileRead)
			err = file.Close()
			require.ErrorIs(t, err, fetch.ErrChangedWhileRead)
			require.ErrorIs(t, err, fetch.ErrTemporary)
			require.ErrorContains(t, err, path)
		})
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestRecentLocalFileMustSettle: a writer adds to the file a second after it was hashed.
func TestRecentLocalFileMustSettle(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
		fetcher := parse(t, path, fetch.Options{})
		began := time.Now()
		file, err := fetcher.Fetch(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, began.UTC(), file.At.UTC())

		go func() {
			time.Sleep(time.Second)
			_ = os.WriteFile(path, []byte(content+"3,chair"), 0o600)
			_ = os.Chtimes(path, time.Now(), time.Now())
		}()
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
		failsWith(t.Context(), t, fetcher, fetch.Options{}, "", fetch.ErrChangedWhileRead)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failsWith(ctx, t, fetcher, fetch.Options{}, "", context.DeadlineExceeded)
	})
}

func TestLocalFileOfTheFuture(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	fetcher := parse(t, path, fetch.Options{})
	fetch.SetSettle(fetcher, time.Millisecond)
	future := time.Now().Add(48 * time.Hour)
	require.NoError(t, os.Chtimes(path, future, future))
	file, _ := get(t, fetcher, "")
	require.False(t, file.At.After(time.Now()))
	require.WithinDuration(t, time.Now(), file.At, time.Minute)
	require.Len(t, file.Notes, 1)
	require.Contains(t, file.Notes[0], "in the future")
	require.NoError(t, os.Chtimes(path, time.Unix(0, 0), time.Unix(0, 0)))
	file, _ = get(t, fetcher, "")
	require.WithinDuration(t, time.Now(), file.At, time.Minute, "1970 is a clock that was never set")
}

func TestLocalFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600))
	big := oldFile(t)
	for _, test := range []struct {
		path string
		kind error
	}{
		{filepath.Join(folder, "missing"), fetch.ErrNotFound},
		{folder, fetch.ErrNotFound},
		{filepath.Join(folder, "pipe"), fetch.ErrNotFound},
		{big + "/below", fetch.ErrLocal},
		{big, fetch.ErrTooLarge},
	} {
		options := fetch.Options{MaxBytes: int64(len(content)) - 1}
		fails(t, parse(t, test.path, options), options, test.kind)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failsWith(ctx, t, parse(t, big, fetch.Options{}), fetch.Options{}, "", context.Canceled)
}
