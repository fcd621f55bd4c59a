package service

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// TestTheFileIsReadWhenItRests: as often as its content changed, also behind links that
// are exchanged, and never while it is being written.
func TestTheFileIsReadWhenItRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		path := filepath.Join(folder, "courier.yaml")
		write := func(name, text string) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
		}
		write("one", "first")
		require.NoError(t, os.Symlink("one", path))
		var reads atomic.Int64
		reload := &Reload{Path: path, Interval: time.Second, Load: func() (*config.Config, error) {
			reads.Add(1)
			return nil, errors.New("it is only counted")
		}}
		w := &worker{log: slog.New(slog.DiscardHandler), observer: newObserver(&config.Config{}, nil)}
		go w.keepReloading(t.Context(), reload) // ends with the test
		// after lets so many looks pass: half a second apart from them.
		after := func(looks, want int) {
			t.Helper()
			time.Sleep(time.Duration(looks) * time.Second)
			synctest.Wait()
			require.EqualValues(t, want, reads.Load())
		}
		time.Sleep(500 * time.Millisecond)
		after(1, 1) // what was there when the loop began
		after(3, 1)
		write("one", "sec")
		after(1, 1)
		write("one", "second") // it was being written
		after(1, 1)
		after(1, 2)
		write("two", "second")
		require.NoError(t, os.Symlink("two", path+".new"))
		require.NoError(t, os.Rename(path+".new", path))
		after(3, 2) // the same content
		write("three", "third")
		require.NoError(t, os.Symlink("three", path+".new"))
		require.NoError(t, os.Rename(path+".new", path))
		after(2, 3)
		require.NoError(t, os.Remove(path))
		after(3, 3) // it is exchanged, or gone: the worker goes on
		require.NoError(t, os.Symlink("two", path))
		after(2, 4)
		require.True(t, w.observer.snapshot().Config.Refused)
	})
}

// TestWhatTheWorkerWasStartedWithIsNotReadAgain: with a thousand accounts reading takes a tenth of
// a second of a processor.
func TestWhatTheWorkerWasStartedWithIsNotReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "courier.yaml")
		require.NoError(t, os.WriteFile(path, []byte("first"), 0o600))
		taken, err := config.Fingerprint(path)
		require.NoError(t, err)
		var reads atomic.Int64
		reload := &Reload{Path: path, Taken: taken, Interval: time.Second, Load: func() (*config.Config, error) {
			reads.Add(1)
			return nil, errors.New("it is only counted")
		}}
		w := &worker{log: slog.New(slog.DiscardHandler), observer: newObserver(&config.Config{}, nil)}
		go w.keepReloading(t.Context(), reload) // ends with the test
		time.Sleep(5500 * time.Millisecond)
		require.Zero(t, reads.Load())
		require.NoError(t, os.WriteFile(path, []byte("second"), 0o600))
		time.Sleep(3 * time.Second)
		require.EqualValues(t, 1, reads.Load())
	})
}

// TestDrainIsSeenAtOnce: an engine never begins with a partition that it should give up
// without knowing so.
func TestDrainIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	closed := func(drain <-chan struct{}) bool {
		select {
		case <-drain:
			return true
		default:
			return false
		}
	}
	follow := func(s *serving, affected int) *serving {
		next := newServing(nil, nil, nil)
		next.affected[affected] = true
		s.next = next
		close(s.replaced)
		return next
	}

	handOver := make(chan struct{})
	close(handOver)
	drain, stop := newServing(nil, nil, nil).drain(1, handOver)
	require.True(t, closed(drain), "it was asked back before")
	require.False(t, stop())

	first := newServing(nil, nil, nil)
	follow(follow(first, 2), 1)
	drain, stop = first.drain(1, nil)
	require.True(t, closed(drain), "the second configuration after this one changes its accounts")
	require.True(t, stop())

	drain, stop = first.drain(3, nil)
	require.False(t, closed(drain), "none changes its accounts")
	require.False(t, stop())

	drain, stop = first.newest().drain(1, nil)
	follow(first.newest(), 1)
	<-drain
	require.True(t, stop())
}
