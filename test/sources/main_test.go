package sources_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
)

// everyStep kills at each step and not at some of each kind.
var everyStep = flag.Bool("every-step", false, "kill the program at each step of a run")

func TestMain(m *testing.M) {
	// A history takes tens of milliseconds. -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "60"); err != nil {
		panic(err)
	}
	flag.Parse()
	runner := pgtest.Main(m)
	goleak.VerifyTestMain(cleaning{runner})
}

// cleaning removes the program behind the tests.
type cleaning struct{ tests pgtest.Runner }

func (c cleaning) Run() int {
	code := c.tests.Run()
	if built.folder != "" {
		_ = os.RemoveAll(built.folder)
	}
	return code
}

// built is the enqueue program. It is global because it is built once for all tests.
var built struct {
	once         sync.Once
	folder, path string
	err          error
}

// program builds enqueue.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "courier-enqueue-"); built.err != nil { //nolint:usetesting // it is for all tests
			return
		}
		built.path = filepath.Join(built.folder, "enqueue")
		said, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", built.path, "../../cmd/enqueue").CombinedOutput()
		if err != nil {
			built.err = errors.Join(err, errors.New(string(said)))
		}
	})
	require.NoError(t, built.err)
	return built.path
}

// said is what a program printed.
type said struct {
	out, err bytes.Buffer
}
