package httpapi

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageNamesWhatTheCodeHas: problems, rules, media types and metrics.
func TestThePageNamesWhatTheCodeHas(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/http.md")
	require.NoError(t, err)
	var names []string
	for _, k := range allKinds {
		if k != kindNotReady { // a probe's
			names = append(names, k.name)
		}
	}
	for mediaType := range mediaTypes {
		names = append(names, mediaType)
	}
	names = append(names, "courier.http.requests", "courier.http.mutations", "courier.http.request.duration", headerKey, "GET /livez", "GET /readyz")
	for _, rule := range described(t).Components.Schemas["LineError"].Value.Properties["rule"].Value.Enum {
		names = append(names, rule.(string))
	}
	for _, name := range names {
		require.Contains(t, string(page), "`"+name, name)
	}
}

// TestTheFirstExampleWorks: the call of curl at the top of the page, and its answer.
func TestTheFirstExampleWorks(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/http.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```(?:sh|json)\n(.*?)```").FindAllStringSubmatch(string(page), 3)
	require.Len(t, blocks, 3)
	call, printed := blocks[1][1], blocks[2][1]
	require.True(t, strings.HasPrefix(call, "curl "))
	a := start(t, setup{})
	command := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(call, "http://127.0.0.1:8440", a.url, 1))
	command.Env = append(os.Environ(), "COURIER_TOKEN="+anyToken)
	out, err := command.Output()
	require.NoError(t, err, "curl is needed to test docs/http.md")
	require.Equal(t, printed, string(out))
	require.Equal(t, []string{"SKU-1", "SKU-2"}, itemsOf(a.mutations()))
}
