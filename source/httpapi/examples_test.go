package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// examples are the programs of examples/http. The first two are of every developer's
// machine and of CI. The others are run where they are installed, PHP always in CI.
var examples = []struct {
	file     string
	program  []string
	required bool
}{
	{"publish.sh", []string{"sh"}, true},
	{"publish.py", []string{"python3"}, true},
	{"publish.php", []string{"php"}, os.Getenv("CI") != ""},
	{"publish.ts", []string{"node"}, false},
}

// runs reports whether the program is there and knows the language.
func runs(t *testing.T, program string) bool {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		return false
	}
	if program != "node" {
		return true
	}
	probe := t.TempDir() + "/probe.ts"
	require.NoError(t, os.WriteFile(probe, []byte("const n: number = 0;\nprocess.exit(n);\n"), 0o600))
	return exec.CommandContext(t.Context(), program, probe).Run() == nil
}

// TestExamples: each program publishes both mutations once, although the answer of its first
// attempt is lost and it has to repeat; and it fails with the reason when it is refused.
func TestExamples(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("curl")
	require.NoError(t, err, "curl is needed to test examples/http/publish.sh: install it")
	for _, example := range examples {
		if !runs(t, example.program[0]) {
			require.Falsef(t, example.required, "%s is needed to test examples/http/%s: install it", example.program[0], example.file)
			t.Logf("examples/http/%s is NOT tested on this machine: %s is not installed or too old", example.file, example.program[0])
			continue
		}
		t.Run(example.file, func(t *testing.T) {
			t.Parallel()
			a := start(t, setup{})
			var requests atomic.Int32
			lossy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) > 1 {
					a.server.Handler().ServeHTTP(w, r)
					return
				}
				a.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
				refused := refuse(kindOverloaded, "the answer is lost")
				refused.write(w, "")
			}))
			defer lossy.Close()
			run := func(token string) (out, failed string, err error) {
				command := exec.CommandContext(t.Context(), example.program[0], append(example.program[1:], "../../examples/http/"+example.file)...)
				command.Env = append(os.Environ(), "COURIER_URL="+lossy.URL+lanePath, "COURIER_TOKEN="+token)
				text, err := command.Output()
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					failed = string(exit.Stderr)
				}
				return string(text), failed, err
			}
			out, failed, err := run(tokenOf)
			require.NoError(t, err, failed)
			require.Equal(t, int32(2), requests.Load())
			all := a.mutations()
			require.Equal(t, []string{"SKU-1", "SKU-2"}, itemsOf(all))
			var printed accepted
			require.NoError(t, json.Unmarshal([]byte(out), &printed), out)
			require.Equal(t, idsOf(all), printed.IDs)
			out, failed, err = run("wrong")
			require.Error(t, err)
			require.Contains(t, out+failed, "401")
			require.Contains(t, out+failed, "the token is not known")
			require.NotContains(t, out+failed, tokenOf)
		})
	}
}
