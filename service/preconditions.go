package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/clock"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/precondition"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Finding is one precondition of a worker, as it was found. Worker check prints the
// list that worker run goes through at its start.
type Finding struct {
	// Check is its name, which stays the same.
	Check string
	// Detail says where, such as an address and where it came from; no secrets.
	Detail string
	// Warning is what keeps no worker from working, such as a setting that differs.
	Warning string
	Err     error
}

// surroundings are what a worker stands on, while they are looked at and opened.
type surroundings struct {
	config *config.Config
	log    *slog.Logger
	nats   []nats.Option
	writes persistence.Config // how the ledger is written; without its Logger

	pool   *pgxpool.Pool
	leases *pgxpool.Pool
	store  *persistence.Store

	conn   *nats.Conn
	js     jetstream.JetStream
	stream *queue.Stream // nil while there is none
	mirror *queue.Mirror // nil while there is none
}

// lookTimeout bounds each look at a precondition.
const lookTimeout = 10 * time.Second

// ErrNoDatabase says that no address of a database is given.
var ErrNoDatabase = errors.New("no database is named: set DATABASE_URL, or database.url in the configuration")

// Look goes through everything that must hold before a worker may work and changes
// nothing. What stands on something that failed is left out.
func Look(ctx context.Context, c *config.Config, options ...nats.Option) []Finding {
	s := &surroundings{config: c, log: slog.New(slog.DiscardHandler), nats: options}
	defer s.close()
	findings := s.lookAtNATS(ctx)
	if failed(findings) == nil {
		findings = append(findings, s.lookAtRoom(ctx))
		if c.Outcomes.Enabled {
			findings = append(findings, s.lookAtOutcomes(ctx))
		}
	}
	findings = append(findings, lookAtListener(ctx, c))
	if c.Database.URL.IsZero() {
		return append(findings, Finding{Check: "Postgres", Err: ErrNoDatabase})
	}
	database := s.lookAtDatabase(ctx)
	findings = append(findings, database...)
	if failed(database) == nil {
		findings = append(findings, within(ctx, "clock", s.compareClocks))
	}
	if failed(findings) != nil {
		return findings
	}
	_, err := s.judge(ctx)
	return append(findings, Finding{Check: "identity", Err: err})
}

// failed is the first error of the findings.
func failed(findings []Finding) error {
	for _, finding := range findings {
		if finding.Err != nil {
			return finding.Err
		}
	}
	return nil
}

// warn logs what keeps no worker from working, once at its start.
func warn(ctx context.Context, log *slog.Logger, findings []Finding) {
	for _, finding := range findings {
		if finding.Warning != "" {
			log.WarnContext(ctx, "a precondition holds, but differs from what is wanted",
				slog.String("check", finding.Check), slog.String("warning", finding.Warning))
		}
	}
}

// within makes a finding of a look that is bounded in time.
func within(ctx context.Context, check string, look func(context.Context) error) Finding {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return Finding{Check: check, Err: look(ctx)}
}

// steps looks at one thing after another until one fails.
func steps(ctx context.Context, list ...func(ctx context.Context) Finding) (findings []Finding) {
	for _, step := range list {
		findings = append(findings, step(ctx))
		if failed(findings) != nil {
			break
		}
	}
	return findings
}

func (s *surroundings) lookAtNATS(ctx context.Context) []Finding {
	return steps(ctx, func(ctx context.Context) Finding {
		finding := within(ctx, "NATS", s.connect)
		finding.Detail = natsconn.Address(s.config, s.conn)
		return finding
	}, func(ctx context.Context) Finding {
		return within(ctx, "NATS permissions", func(ctx context.Context) error { return s.mayDo(ctx, false) })
	}, func(ctx context.Context) Finding {
		finding := within(ctx, "stream", func(ctx context.Context) error {
			if err := s.find(ctx); err != nil || s.stream != nil && s.mirror != nil {
				return s.located(err)
			}
			return s.mayDo(ctx, true)
		})
		finding.Detail = s.config.NATS.Stream.Name
		switch {
		case finding.Err != nil:
		case s.stream == nil:
			finding.Detail += " (not there yet: worker run will create it)"
		default:
			finding.Warning = s.stream.Warning()
		}
		return finding
	}, func(ctx context.Context) Finding {
		return within(ctx, "NATS account", func(ctx context.Context) error {
			return queue.CheckAccount(ctx, s.js, StreamConfig(s.config.NATS), s.stream == nil, s.mirror == nil)
		})
	})
}

// located says where the settings were made that a failure is about.
func (s *surroundings) located(err error) error {
	if errors.Is(err, queue.ErrStreamMismatch) {
		return fmt.Errorf("%w (nats.stream.name: %s, nats.partitions: %s)", err, s.config.Origin("nats.stream.name"), s.config.Origin("nats.partitions"))
	}
	failures, ok := errors.AsType[precondition.Failures](err)
	if !ok {
		return err
	}
	located := slices.Clone(failures)
	for i, failure := range located {
		if strings.HasPrefix(failure.Key, "nats.") {
			located[i].Wanted += " (" + failure.Key + ": " + s.config.Origin(failure.Key) + ")"
		}
	}
	return located
}

func (s *surroundings) mayDo(ctx context.Context, create bool) error {
	return queue.CheckPermissions(ctx, s.js, StreamConfig(s.config.NATS), create)
}

// lookAtRoom is for what a worker makes or changes: it learns the same from the answer.
func (s *surroundings) lookAtRoom(ctx context.Context) Finding {
	var warning string
	finding := within(ctx, "room for the stream", func(ctx context.Context) (err error) {
		warning, err = queue.CheckRoom(ctx, s.js, StreamConfig(s.config.NATS))
		return s.located(err)
	})
	finding.Warning = warning
	return finding
}

// lookAtListener tries the worker's own listener.
func lookAtListener(ctx context.Context, c *config.Config) Finding {
	finding := within(ctx, "http.listen", func(ctx context.Context) error { return telemetry.CheckListen(ctx, c.HTTP.Listen) })
	finding.Detail = c.HTTP.Listen + " (" + c.Origin("http.listen") + ")"
	if errors.Is(finding.Err, telemetry.ErrOurs) {
		finding.Err, finding.Warning = nil, telemetry.ErrOurs.Error()
	}
	return finding
}

// connect connects to NATS and asks whether it has JetStream.
func (s *surroundings) connect(ctx context.Context) (err error) {
	at := "nats.url " + natsconn.Address(s.config, nil)
	if s.conn == nil {
		if s.conn, err = natsconn.Connect(s.config.NATS, s.log, s.nats...); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	if s.js, err = natsconn.JetStream(s.config.NATS, s.conn); err != nil {
		return err
	}
	if _, err := s.js.AccountInfo(ctx); err != nil {
		if last := s.conn.LastError(); errors.Is(last, nats.ErrPermissionViolation) {
			err = last // the call itself only ran out of time
		}
		if domain := s.config.NATS.Domain; domain != "" {
			return fmt.Errorf("%s: JetStream in the domain %s (nats.domain, %s): %w", at, domain, s.config.Origin("nats.domain"), err)
		}
		return fmt.Errorf("%s: JetStream (of another domain? set nats.domain): %w", at, err)
	}
	return nil
}

// find looks for the stream and its mirror. That neither is there is no error yet.
func (s *surroundings) find(ctx context.Context) (err error) {
	settings := StreamConfig(s.config.NATS)
	s.stream, err = queue.Find(ctx, s.js, settings)
	if err != nil && !errors.Is(err, queue.ErrStreamGone) {
		return err
	}
	s.mirror, err = queue.FindMirror(ctx, s.js, settings)
	return err
}

func (s *surroundings) lookAtDatabase(ctx context.Context) []Finding {
	return steps(ctx, func(ctx context.Context) Finding {
		finding := within(ctx, "Postgres", s.reach)
		finding.Detail = DatabaseAddress(s.config)
		return finding
	}, func(ctx context.Context) Finding {
		var version int64
		finding := within(ctx, "schema", func(ctx context.Context) (err error) {
			version, err = persistence.CheckSchema(ctx, s.config.Database.URL.Reveal())
			return err
		})
		if finding.Err == nil {
			finding.Detail = fmt.Sprintf("version %d", version)
			finding.Warning = persistence.SchemaWarning(version)
		}
		return finding
	}, func(ctx context.Context) Finding {
		var warning string
		finding := within(ctx, "connections", func(ctx context.Context) (err error) {
			most, origin := s.config.Database.MaxConns, s.config.Origin("database.max_conns")
			if warning, err = persistence.CheckConnections(ctx, s.pool, most, origin); err != nil {
				return err
			}
			return persistence.TryConnections(ctx, connectionPatience, most, origin, s.pool, s.leases)
		})
		finding.Warning = warning
		return finding
	}, func(ctx context.Context) Finding {
		return within(ctx, "privileges", func(ctx context.Context) error { return persistence.CheckPrivileges(ctx, s.pool) })
	})
}

// reach looks at the server, the database and a session, and opens the ledger.
func (s *surroundings) reach(ctx context.Context) error {
	failures, err := persistence.Preconditions(ctx, s.config.Database.URL.Reveal())
	if err == nil {
		err = failures.Err()
	}
	if err != nil {
		return fmt.Errorf("database.url %s: %w", DatabaseAddress(s.config), err)
	}
	return s.openLedger(ctx)
}

// compareClocks compares this machine's clock with the database's. A worker starts all
// the same where they differ, and takes no partitions until they do not.
func (s *surroundings) compareClocks(ctx context.Context) error {
	reading, err := clock.Read(ctx, s.store.Clock)
	if err != nil {
		return err
	}
	if err := reading.Check(); err != nil {
		return err
	}
	return s.store.ClockDoubt(ctx)
}

// openLedger prepares the pools, without a connection yet. Heartbeats have their own:
// they would wait behind the commits that need their lease.
func (s *surroundings) openLedger(ctx context.Context) (err error) {
	if s.store != nil {
		return nil
	}
	url, most := s.config.Database.URL.Reveal(), s.config.Database.MaxConns
	if s.pool, err = persistence.Open(ctx, persistence.PoolConfig{URL: url, MaxConns: most - leaseConns}); err != nil {
		return err
	}
	if s.leases, err = persistence.Open(ctx, persistence.PoolConfig{URL: url, MaxConns: leaseConns}); err != nil {
		return err
	}
	settings := s.writes
	settings.Logger = s.log
	s.store, err = persistence.NewStore(s.pool, settings)
	return err
}

// connectionPatience is how long a look waits for one more connection to the database.
const connectionPatience = 3 * time.Second

// leaseConns are of the connections of database.max_conns, which are at least 4.
const leaseConns = 2

func (s *surroundings) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.store != nil {
		s.store.Close()
	}
	for _, pool := range []*pgxpool.Pool{s.pool, s.leases} {
		if pool != nil {
			persistence.ClosePool(pool)
		}
	}
}

// permanent marks an error that waiting does not cure.
func permanent(err error) error {
	for _, kind := range []error{
		persistence.ErrPartitions, persistence.ErrOtherStream, queue.ErrStreamMismatch, queue.ErrForeignStream, queue.ErrStreamGone,
	} {
		if errors.Is(err, kind) {
			return backoff.Permanent(err)
		}
	}
	if precondition.Permanent(err) {
		return backoff.Permanent(err)
	}
	return err
}
