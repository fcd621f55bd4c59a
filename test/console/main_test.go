// Package console_test uses the console as people do: worker dev, the examples, and a real
// browser.
package console_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/console/consoletest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/process"
)

var pictures = flag.Bool("pictures", false, "write the pictures of docs/images")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(pgtest.Main(m).Run())
}

// screen is what a program writes.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// place is a worker dev with the examples, and a browser before its console.
type place struct {
	*consoletest.Browser
	nats, database string
	enqueue        string
	config, feed   string
}

// start builds both programs and starts worker dev.
func start(t *testing.T) *place {
	t.Helper()
	if consoletest.Find() == "" && os.Getenv("CI") == "" {
		t.Skip("there is no Chromium on this machine: the console is not used in a browser")
	}
	folder := t.TempDir()
	said, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", folder+"/", "../../cmd/worker", "../../cmd/enqueue").CombinedOutput()
	require.NoError(t, err, string(said))
	p := &place{enqueue: filepath.Join(folder, "enqueue"), config: filepath.Join(folder, "courier.yaml"), feed: filepath.Join(folder, "shop.xml")}
	settings, err := os.ReadFile("../../examples/courier.yaml")
	require.NoError(t, err)
	changed := strings.Replace(string(settings), "examples/shop.xml", p.feed, 1)
	require.NotEqual(t, string(settings), changed)
	require.NoError(t, os.WriteFile(p.config, []byte(changed), 0o600))
	p.writeFeed(t, 120)

	out := &screen{}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(folder, "worker"), "dev", "--config", p.config,
		"--database", pgtest.Database(t), "--nats-port", "-1", "--sandbox-listen", "127.0.0.1:0", "--log-level", "warn")
	command.Env = append(os.Environ(), "COURIER_HTTP_LISTEN=127.0.0.1:0", "COURIER_CONSOLE_LISTEN=127.0.0.1:0")
	command.Stdout, command.Stderr = out, out
	child, err := process.Start(command, process.Options{Orphaned: syscall.SIGTERM})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, child.Stop(context.Background(), process.Step{Signal: syscall.SIGTERM, Within: time.Minute}), out.String())
		if t.Failed() {
			t.Log(out.String())
		}
	})
	address := regexp.MustCompile(`(?m)^(?:Look|Console):? +(http://\S+)$`)
	require.Eventually(t, func() bool { return child.Ended() || address.MatchString(out.String()) }, time.Minute, 50*time.Millisecond)
	require.False(t, child.Ended(), out.String())
	p.nats = regexp.MustCompile(`nats://[0-9.:]+`).FindString(out.String())
	p.database = regexp.MustCompile(`postgres://[^\s']+`).FindString(out.String())
	p.Browser = consoletest.Open(t, address.FindStringSubmatch(out.String())[1], "../../console")
	return p
}

// run publishes, and returns the exit code.
func (p *place) run(t *testing.T, input string, arguments ...string) int {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.enqueue, arguments...)
	command.Stdin = strings.NewReader(input)
	command.Env = append(os.Environ(), "DATABASE_URL="+p.database)
	said, err := command.CombinedOutput()
	if ended, exited := err.(*exec.ExitError); exited { //nolint:errorlint // of exec itself
		return ended.ExitCode()
	}
	require.NoError(t, err, string(said))
	return 0
}

// writeFeed writes the first items of the example feed.
func (p *place) writeFeed(t *testing.T, items int) {
	t.Helper()
	whole, err := os.ReadFile("../../examples/shop.xml")
	require.NoError(t, err)
	parts := strings.Split(string(whole), "</item>")
	require.Greater(t, len(parts), items)
	text := strings.Join(parts[:items], "</item>") + "</item>" + parts[len(parts)-1]
	require.NoError(t, os.WriteFile(p.feed, []byte(text), 0o600))
	at := time.Now().Add(time.Duration(-items) * time.Minute) // a shorter one is a newer one
	require.NoError(t, os.Chtimes(p.feed, at, at))
}

// broken are changes that fail, with markup where shops write.
const broken = `{"account":"demo-meta","catalog":"products","type":"PRODUCT_ITEM","id":"broken-1","item_id":"LAMP-77","operation":"CREATE","attributes":{"availability":"in stock","brand":"Lumen & Co","color":"brass","condition":"new","description":"A lamp.","image":[{"tag":["brass"],"url":"https://shop.example/images/LAMP-01.jpg"}],"link":"https://shop.example/lamps/LAMP-77","price":"ten","title":"Desk lamp <script>document.title='hit'</script>"}}
{"account":"demo-pinterest","catalog":"us","type":"RETAIL","id":"broken-2","item_id":"SHIRT-77","operation":"UPSERT","attributes":{"availability":"in stock","condition":"new","description":"A shirt.","image_link":["https://shop.example/images/SHIRT-01.jpg"],"link":"https://shop.example/shirts/SHIRT-77","price":"ten","title":"Linen shirt"}}
{"account":"demo-pinterest","catalog":"us","type":"RETAIL","id":"broken-3","item_id":"<img src=x onerror=\"document.title='hit'\">","operation":"UPSERT","attributes":{"availability":"in stock","condition":"new","description":"A shirt.","image_link":["https://shop.example/images/SHIRT-01.jpg"],"link":"https://shop.example/shirts/SHIRT-79","price":"ten","title":"Linen shirt"}}
`

// fill publishes the examples, changes that fail, and a feed that loses most of its items.
func (p *place) fill(t *testing.T) {
	t.Helper()
	// Some of the examples are meant to fail, which is 1. A page of an item that is not recorded
	// yet would be a 404.
	require.LessOrEqual(t, p.run(t, "", "--nats", p.nats, "--config", p.config, "--wait", "../../examples/mutations.jsonl"), 1)
	require.Zero(t, p.run(t, broken, "--nats", p.nats))
	require.Zero(t, p.run(t, "", "--nats", p.nats, "--config", p.config, "feed", "apply", "mugs"))
	p.writeFeed(t, 30)
	const withheld = 3
	require.Equal(t, withheld, p.run(t, "", "--nats", p.nats, "--config", p.config, "feed", "apply", "mugs"))
}

// picture keeps what the window shows for the documentation.
func (p *place) picture(t *testing.T, name string) {
	t.Helper()
	if *pictures && slices.Contains([]string{"item", "issues", "issues-phone-dark", "dead-letter", "overview", "overview-dark", "run", "account-phone"}, name) {
		require.NoError(t, os.MkdirAll("../../docs/images", 0o755))
		p.Picture(t, filepath.Join("../../docs/images", fmt.Sprintf("console-%s.png", name)), false)
	}
}
