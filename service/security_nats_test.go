package service_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

const natsPassword = "canary-nats-password-2be0"

// startBroker runs a NATS server with those options on a free port until the test
// ends, and returns its address.
func startBroker(t *testing.T, options *server.Options) string {
	t.Helper()
	options.Host, options.Port, options.HTTPPort = "127.0.0.1", -1, 0
	options.JetStream, options.StoreDir = true, t.TempDir()
	options.NoSigs, options.NoLog, options.MaxPayload = true, true, embedded.MaxPayload
	broker, err := server.NewServer(options)
	require.NoError(t, err)
	broker.Start()
	t.Cleanup(func() {
		broker.Shutdown()
		broker.WaitForShutdown()
	})
	require.True(t, broker.ReadyForConnections(patience))
	return broker.Addr().String()
}

// guardedBroker runs the server of deploy/nats/nats-server.conf.
func guardedBroker(t *testing.T) (address string, ca *authority) {
	t.Helper()
	ca = newAuthority(t)
	cert, key := ca.issue(t, "nats")
	for name, value := range map[string]string{
		"NATS_TLS_CERT": cert, "NATS_TLS_KEY": key, "NATS_STORE": t.TempDir(), "NATS_WORKER_PASSWORD": natsPassword,
		"NATS_ACME_PASSWORD": natsPassword, "NATS_GLOBEX_PASSWORD": natsPassword, "NATS_OUTCOMES_PASSWORD": natsPassword,
	} {
		t.Setenv(name, value)
	}
	options, err := server.ProcessConfigFile("../deploy/nats/nats-server.conf")
	require.NoError(t, err)
	return startBroker(t, options), ca
}

// brokerUser is how a user of that server connects.
func brokerUser(address string, ca *authority, name, inbox string) config.NATS {
	return config.NATS{
		URL: config.NewSecret("tls://" + name + ":" + natsPassword + "@" + address), InboxPrefix: inbox,
		TLS: config.TLS{CAFile: ca.file},
	}
}

func connectAs(t *testing.T, settings config.NATS, options ...nats.Option) *nats.Conn {
	t.Helper()
	connection, err := natsconn.Connect(settings, slog.New(slog.DiscardHandler), options...)
	require.NoError(t, err)
	t.Cleanup(connection.Close)
	return connection
}

// TestBrokerPermissions: with the shipped configuration, over TLS, a worker does all
// its work, and a producer can publish to its own accounts and nothing else.
//
//nolint:paralleltest // it sets variables
func TestBrokerPermissions(t *testing.T) {
	address, ca := guardedBroker(t)
	env := rig.Start(t, rig.Options{Listen: true})
	w := env.StartWorker("a", rig.WorkerOptions{Edit: func(c *config.Config) {
		stream := c.NATS
		c.NATS = brokerUser(address, ca, "courier-worker", "_INBOX_worker")
		c.NATS.Stream, c.NATS.Partitions = stream.Stream, stream.Partitions
		c.Outcomes.Enabled = true
	}})
	w.AwaitLog("partition acquired", patience)
	acme := connectAs(t, brokerUser(address, ca, "acme", "_INBOX_acme"))
	js, err := jetstream.New(acme)
	require.NoError(t, err)
	publisher := publish.NewPublisher(js, publish.Options{Timeout: 2 * time.Second, RetryFor: 20 * time.Second})
	mutations := upserts(rig.Retail, "N", 10)
	for i := range mutations {
		mutations[i].ID = "N-" + strconv.Itoa(i)
	}
	results, err := publisher.PublishMutations(t.Context(), mutations...)
	require.NoError(t, err)
	require.Equal(t, len(mutations), publish.Summarize(results).Stored)
	for _, m := range mutations {
		env.AwaitStatus(m.ID, "succeeded", patience)
	}
	reader := connectAs(t, brokerUser(address, ca, "outcomes", "_INBOX_outcomes"))
	readerJS, err := jetstream.New(reader)
	require.NoError(t, err)
	events, err := readerJS.CreateConsumer(t.Context(), queue.OutcomesName, jetstream.ConsumerConfig{FilterSubject: "catalog.outcomes.acme-pinterest.>"})
	require.NoError(t, err)
	told, err := events.Fetch(len(mutations), jetstream.FetchMaxWait(patience))
	require.NoError(t, err)
	for range mutations {
		m, open := <-told.Messages()
		require.True(t, open, "one event each")
		require.NoError(t, m.DoubleAck(t.Context()))
	}
	requireDenied(t, reader, "catalog.outcomes.acme-pinterest.us.RETAIL.succeeded", func() error {
		return reader.Publish("catalog.outcomes.acme-pinterest.us.RETAIL.succeeded", nil)
	})
	require.NoError(t, w.Stop())
	require.False(t, w.Log.Contains("NATS permission violation"), "the worker's permissions suffice")
	require.False(t, w.Log.Contains(natsPassword))

	for _, subject := range []string{
		"catalog.mutations.globex-meta.products.PRODUCT_ITEM", "catalog.p.1.acme-pinterest.us.RETAIL", "$KV.CATALOG_MUTATIONS_COMMITS.1",
		"$JS.API.STREAM.PURGE.CATALOG_MUTATIONS", "$JS.API.STREAM.DELETE.CATALOG_MUTATIONS",
		"$JS.API.STREAM.MSG.GET.CATALOG_MUTATIONS", "$JS.API.DIRECT.GET.CATALOG_MUTATIONS",
		"$JS.API.CONSUMER.CREATE.CATALOG_MUTATIONS.mine", "$JS.API.STREAM.CREATE.MINE", "_INBOX_worker.1",
	} {
		requireDenied(t, acme, subject, func() error { return acme.Publish(subject, nil) })
	}
	for _, subject := range []string{">", "catalog.>", "_INBOX.>", "_INBOX_worker.>", "_INBOX_globex.>", "$KV.>"} {
		requireDenied(t, acme, subject, func() error { _, err := acme.SubscribeSync(subject); return err })
	}
}

// requireDenied checks that the server answers a call with a violation of the
// permissions for the subject.
func requireDenied(t *testing.T, connection *nats.Conn, subject string, call func() error) {
	t.Helper()
	said := make(chan string, 16)
	connection.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { said <- err.Error() })
	require.NoError(t, call())
	require.NoError(t, connection.FlushTimeout(patience))
	select {
	case text := <-said:
		require.Contains(t, strings.ToLower(text), "permissions violation")
		require.Contains(t, text, `"`+subject+`"`)
	case <-time.After(patience):
		require.Fail(t, "not denied", subject)
	}
}

// TestBrokerLogins: each way to log in that the settings offer, with a real server,
// and each refused without the right secret.
func TestBrokerLogins(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.issue(t, "nats")
	clientCert, clientKey := ca.issue(t, "worker")
	serverTLS := func(verify bool) *server.Options {
		made, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: cert, KeyFile: key, CaFile: ca.file, Verify: verify})
		require.NoError(t, err)
		return &server.Options{TLS: true, TLSVerify: verify, TLSTimeout: 10, TLSConfig: made}
	}
	trusted := config.TLS{CAFile: ca.file}
	withToken := serverTLS(false)
	withToken.Authorization = natsPassword
	operator, creds := operatorMode(t)
	for name, login := range map[string]struct {
		options *server.Options
		scheme  string
		good    config.NATS
		bad     config.NATS
	}{
		"token": {
			withToken, "tls://",
			config.NATS{Token: config.NewSecret(natsPassword), TLS: trusted},
			config.NATS{Token: config.NewSecret("wrong"), TLS: trusted},
		},
		"client certificate": {
			serverTLS(true), "tls://",
			config.NATS{TLS: config.TLS{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey}},
			config.NATS{TLS: trusted},
		},
		"authority":        {serverTLS(false), "tls://", config.NATS{TLS: trusted}, config.NATS{TLS: config.TLS{CAFile: newAuthority(t).file}}},
		"credentials file": {operator, "nats://", config.NATS{CredsFile: creds}, config.NATS{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startBroker(t, login.options)
			login.good.URL, login.bad.URL = config.NewSecret(login.scheme+address), config.NewSecret(login.scheme+address)
			_, err := natsconn.Connect(login.bad, slog.New(slog.DiscardHandler))
			require.Error(t, err)
			require.NotContains(t, err.Error(), natsPassword)
			js, err := jetstream.New(connectAs(t, login.good))
			require.NoError(t, err)
			stream, err := queue.Ensure(t.Context(), js, queue.StreamConfig{Partitions: 8})
			require.NoError(t, err)
			_, err = stream.Info(t.Context())
			require.NoError(t, err)
		})
	}
}

// operatorMode makes a server whose users are named by JWT, as "nsc" sets it up, and
// the credentials file of one user.
func operatorMode(t *testing.T) (options *server.Options, creds string) {
	t.Helper()
	operator, account, person := newSeed(t, nkeys.CreateOperator), newSeed(t, nkeys.CreateAccount), newSeed(t, nkeys.CreateUser)
	operatorClaims := jwt.NewOperatorClaims(publicOf(t, operator))
	operatorToken, err := operatorClaims.Encode(operator)
	require.NoError(t, err)
	trusted, err := jwt.DecodeOperatorClaims(operatorToken)
	require.NoError(t, err)
	accountClaims := jwt.NewAccountClaims(publicOf(t, account))
	accountClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	accountToken, err := accountClaims.Encode(operator)
	require.NoError(t, err)
	userToken, err := jwt.NewUserClaims(publicOf(t, person)).Encode(account)
	require.NoError(t, err)
	seed, err := person.Seed()
	require.NoError(t, err)
	file, err := jwt.FormatUserConfig(userToken, seed)
	require.NoError(t, err)
	creds = filepath.Join(t.TempDir(), "worker.creds")
	require.NoError(t, os.WriteFile(creds, file, 0o600))
	system := publicOf(t, newSeed(t, nkeys.CreateAccount)) // JetStream needs one
	systemToken, err := jwt.NewAccountClaims(system).Encode(operator)
	require.NoError(t, err)
	resolver := &server.MemAccResolver{}
	require.NoError(t, resolver.Store(publicOf(t, account), accountToken))
	require.NoError(t, resolver.Store(system, systemToken))
	return &server.Options{TrustedOperators: []*jwt.OperatorClaims{trusted}, AccountResolver: resolver, SystemAccount: system}, creds
}

func newSeed(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := create()
	require.NoError(t, err)
	return pair
}

func publicOf(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	public, err := pair.PublicKey()
	require.NoError(t, err)
	return public
}
