// Command real runs real data through the whole service: the dated route tables of
// OpenFlights as changes of flights, and goodbooks-10k as products of both
// platforms. Broker, Postgres and workers are real; the platforms are simulated,
// with limits scaled down in time so that they are what bounds the run.
//
// It ends with an error unless every mutation became final, the platforms hold
// what applying the mutations one by one gives, and batches were well filled.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

//go:embed courier.yaml
var configuration string

// The names in courier.yaml.
const (
	metaAccount      = "books-and-flights"
	flightCatalog    = "flights"
	productCatalog   = "products"
	pinterestAccount = "bookshop"
	bookCatalog      = "books"
)

type options struct {
	data    string
	over    time.Duration // how long the flights take
	window  time.Duration
	meta    int // POSTs in a window for each of Meta's catalogs
	retail  int // POSTs in a window for Pinterest
	fill    float64
	timeout time.Duration
}

func main() { os.Exit(command()) }

// command returns the exit code: 0 done, 1 failed.
func command() int {
	var o options
	flag.StringVar(&o.data, "data", "../shared/data", "the folder with flights-openflights and retail-books-10k")
	flag.DurationVar(&o.over, "over", 30*time.Second, "spread the changes of flights over this time; books come at once")
	flag.DurationVar(&o.window, "window", 10*time.Second, "the window of the platforms' limits")
	flag.IntVar(&o.meta, "meta-posts", 3, "POSTs that Meta takes in a window for one catalog")
	flag.IntVar(&o.retail, "pinterest-posts", 2, "POSTs that Pinterest takes in a window")
	flag.Float64Var(&o.fill, "fill", 0.8, "the least mean fill of a batch, as a share of the cap")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "give up after this time")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "real:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	streams, err := readStreams(o.data, o.over)
	if err != nil {
		return err
	}
	service, err := rig.StartServers(ctx, rig.ServerOptions{
		Config: strings.Replace(configuration, "${QUOTA_WINDOW}", o.window.String(), 1), Log: os.Stderr,
		Meta:      platformOptions(o, o.meta),
		Pinterest: platformOptions(o, o.retail),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	workers, err := startWorkers(ctx, service)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := publishAll(ctx, service.Publisher(), streams); err != nil {
		return errors.Join(err, workers.stop())
	}
	fmt.Fprintf(out, "%d mutations published in %.0f s\n", count(streams), time.Since(began).Seconds())
	err = awaitFinal(ctx, service, count(streams), workers)
	took := time.Since(began)
	if err := errors.Join(err, workers.stop()); err != nil {
		return err
	}
	return report(ctx, out, service, streams, took, o.fill)
}

// platformOptions make a platform slow and its limits narrow.
func platformOptions(o options, posts int) sandbox.Options {
	return sandbox.Options{
		Seed: 1, Delay: 500 * time.Millisecond, Jitter: time.Second,
		Writes: sandbox.RateLimit{Calls: posts, Window: o.window},
	}
}

// readStreams makes the three streams of the data.
func readStreams(folder string, over time.Duration) ([]*stream, error) {
	flights, err := flightMutations(filepath.Join(folder, "flights-openflights"))
	if err != nil {
		return nil, err
	}
	books := filepath.Join(folder, "retail-books-10k")
	retailBooks, err := bookMutations(books, retail)
	if err != nil {
		return nil, err
	}
	products, err := bookMutations(books, product)
	if err != nil {
		return nil, err
	}
	var streams []*stream
	for _, mutations := range [][]publish.Mutation{flights, retailBooks, products} {
		s, err := newStream(mutations)
		if err != nil {
			return nil, err
		}
		streams = append(streams, s)
	}
	streams[0].spread = over
	return streams, nil
}

// workers are the two workers of a run.
type workers []*rig.Running

func startWorkers(ctx context.Context, service *rig.Servers) (workers, error) {
	var started workers
	for _, name := range []string{"worker-1", "worker-2"} {
		w, err := service.StartWorker(ctx, name)
		if err != nil {
			return nil, errors.Join(err, started.stop())
		}
		started = append(started, w)
	}
	return started, nil
}

func (w workers) stop() error {
	var err error
	for _, one := range w {
		err = errors.Join(err, one.Stop())
	}
	return err
}

// awaitFinal waits until every mutation has a row with a final status.
func awaitFinal(ctx context.Context, service *rig.Servers, mutations int, running workers) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		final, err := allFinal(ctx, service, mutations)
		if err != nil || final {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", rig.ErrNotFinal, ctx.Err())
		case <-running[0].Done():
			return rig.ErrWorkerEnded
		case <-running[1].Done():
			return rig.ErrWorkerEnded
		case <-ticker.C:
		}
	}
}

// allFinal counts statuses only once nothing is open, as counting reads all rows.
func allFinal(ctx context.Context, service *rig.Servers, mutations int) (bool, error) {
	progress, err := evidence.ReadProgress(ctx, service.Database)
	if err != nil || !progress.Done(mutations) {
		return false, err
	}
	statuses, err := service.Statuses(ctx)
	if err != nil {
		return false, err
	}
	return statuses["waiting"]+statuses["submitted"] == 0, nil
}
