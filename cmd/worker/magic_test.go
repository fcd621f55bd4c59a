package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

// TestMagicExample publishes the example with the endings at once, as a user does.
func TestMagicExample(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{Magic: true, Delay: 50 * time.Millisecond})
	p.work(t)
	var publications []publish.Publication
	for scanner := bufio.NewScanner(bytes.NewReader(examples.Magic)); scanner.Scan(); {
		var said struct {
			Account string       `json:"account"`
			Catalog string       `json:"catalog"`
			Type    catalog.Type `json:"type"`
		}
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &said))
		where := catalog.Lane{Account: said.Account, Catalog: said.Catalog, Type: said.Type}
		if where.Account == "demo-meta" && bytes.Contains(scanner.Bytes(), []byte("-429")) {
			continue // a whole minute; TestMagicEndings has it
		}
		subject, problem := message.Subject(where)
		require.Nil(t, problem)
		publications = append(publications, publish.Publication{Subject: subject, Data: bytes.Clone(scanner.Bytes())})
	}
	results, err := p.publisher.Publish(t.Context(), publications)
	require.NoError(t, err)
	require.Equal(t, len(publications), publish.Summarize(results).Stored)

	db, err := pgx.Connect(t.Context(), p.environment.DatabaseURL)
	require.NoError(t, err)
	defer func() { _ = db.Close(t.Context()) }()
	expected := map[string]string{"LAMP-PRICE": "failed", "LAMP-REJECTED": "failed", "LAMP-400": "failed", "LAMP-OMITTED": "unconfirmed"}
	var wrong []string
	defer func() {
		if t.Failed() {
			t.Log(strings.Join(wrong, "; "))
		}
	}()
	awaiting(t, 3*time.Minute, "everything has its end", func() bool {
		wrong = wrong[:0]
		rows, err := db.Query(t.Context(), `SELECT account, item_id, status FROM courier.mutation_status`)
		require.NoError(t, err)
		found := 0
		var account, item, status string
		_, err = pgx.ForEachRow(rows, []any{&account, &item, &status}, func() error {
			found++
			want := "succeeded"
			if special := expected[item]; special != "" {
				want = special
			}
			if item == "LAMP-OMITTED" && account == "demo-meta" {
				want = "failed"
			}
			if status != want {
				wrong = append(wrong, account+" "+item+" is "+status+", want "+want)
			}
			return nil
		})
		require.NoError(t, err)
		return found == len(publications) && len(wrong) == 0
	})
}

// TestSandboxFaults turns faults of a running sandbox on and off by the command and by
// HTTP.
func TestSandboxFaults(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	at := p.environment.Platforms.Address()
	fault := func(args ...string) execution {
		return execute(t, nil, append([]string{"sandbox", "fault", "--at", at}, args...)...)
	}
	require.Equal(t, "no fault is on\n", fault().out)
	require.Equal(t, "pinterest/429=100%\nmeta/429=100%\nmeta/outage=", fault("429=100%", "meta/outage=1h").out[:len("pinterest/429=100%\nmeta/429=100%\nmeta/outage=")])
	require.NotContains(t, fault("meta/outage=0s").out, "outage")
	require.Equal(t, "meta/429=100%\n", fault("pinterest/429=0").out)

	p.work(t)
	require.Equal(t, "no fault is on\n", fault("--off").out)
	require.Equal(t, "meta/rejected=100%\n", fault("meta/rejected=100%").out)
	p.publish(t, publish.Mutation{ItemID: "A", Operation: catalog.Delete})
	eventually(t, "the item is rejected", func() bool {
		return p.count(t, `WHERE item_id = 'A' AND status = 'failed' AND errors::text LIKE '%price information%'`) == 1
	})
	require.Equal(t, "meta/429=50%\n", fault("--off", "meta/429=50%").out)
	require.Contains(t, fault("meta/429=1").out, "meta/429=100%")
	p.publish(t, publish.Mutation{ItemID: "B", Operation: catalog.Delete})
	eventually(t, "the account is throttled", func() bool {
		return p.counted(t, `SELECT count(*) FROM courier.account_status WHERE account = 'demo-meta' AND state = 'throttled'`) == 1
	})
	require.Equal(t, "meta/rejected=100%\n", fault("--off", "meta/rejected=100%").out)

	for _, wrong := range []string{"teapot=1%", "429", "429=200%", "429=-1", "429=NaN", "outage=10%", "outage=200h", "mars/429=1%", "429=10"} {
		got := fault("403=1%", wrong)
		require.Equal(t, cli.Usage, got.code, wrong)
		require.Contains(t, got.err, "not a fault", wrong)
	}
	require.Equal(t, "meta/rejected=100%\n", fault().out, "all or nothing")
	require.Contains(t, execute(t, nil, "sandbox", "fault", "--at", "127.0.0.1:1").err, "is worker dev or worker sandbox running there?")
	got := execute(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--fault", "teapot=1%")
	require.Equal(t, cli.Usage, got.code)
	require.Contains(t, got.err, "known are 400, 401")
}
