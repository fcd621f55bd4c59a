package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// cluster is the rig, and what its workers are told.
type cluster struct {
	*rig.Servers
	options options
	folder  string
	config  string // path
	log     io.Writer
	workers []*worker // all that were started
}

// clusterOptions says what a measurement needs.
type clusterOptions struct {
	configuration string
	// platforms is how both simulated platforms behave.
	platforms sandbox.Options
	around    func(platform http.Handler) http.Handler
}

// quick platforms trust what they get.
func quick() sandbox.Options {
	return sandbox.Options{SkipValidation: true, Delay: 50 * time.Millisecond}
}

// startCluster starts the servers and writes down the settings. Its Close ends them.
func startCluster(ctx context.Context, o options, b clusterOptions) (*cluster, error) {
	c := &cluster{options: o, log: io.Discard}
	if o.verbose {
		c.log = os.Stderr
	}
	worker, err := filepath.Abs(o.worker)
	if err != nil {
		return nil, err
	}
	c.options.worker = worker
	if c.folder, err = os.MkdirTemp("", "courier-scale-"); err != nil {
		return nil, err
	}
	c.config = filepath.Join(c.folder, "courier.yaml")
	if err := os.WriteFile(c.config, []byte(b.configuration), 0o600); err != nil {
		return nil, err
	}
	c.Servers, err = rig.StartServers(ctx, rig.ServerOptions{
		Config: b.configuration, Log: c.log, Meta: b.platforms, Pinterest: b.platforms, Around: b.around,
		Postgres: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"},
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.folder))
	}
	return c, nil
}

// Close ends what still runs and removes what the servers kept.
func (c *cluster) Close() error {
	for _, w := range c.workers {
		w.Kill()
	}
	return errors.Join(c.Servers.Close(), os.RemoveAll(c.folder))
}

func (c *cluster) environment() []string {
	environment := os.Environ()
	for name, value := range c.Variables() {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// operate runs another command of the worker program, such as "accounts pause".
func (c *cluster) operate(ctx context.Context, arguments ...string) error {
	//nolint:gosec // the program that the caller named
	command := exec.CommandContext(ctx, c.options.worker, append(arguments, "--config", c.config)...)
	command.Env = c.environment()
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("worker %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// publish publishes mutations of the accounts in turn, from one number up to another,
// in atomic batches.
func (c *cluster) publish(ctx context.Context, accounts []string, from, to int) error {
	batch := make([]publish.Publication, 0, publish.MaxBatch)
	for from < to {
		batch = batch[:0]
		for ; from < to && len(batch) < publish.MaxBatch; from++ {
			batch = append(batch, c.publicationOf(accounts[from%len(accounts)], from))
		}
		if err := c.store(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// store publishes a batch, of at most publish.MaxBatch, all of which has to be stored.
func (c *cluster) store(ctx context.Context, batch []publish.Publication) error {
	results, err := c.Publisher().Publish(ctx, batch)
	if err != nil {
		return err
	}
	if sum := publish.Summarize(results); sum.Stored != len(batch) {
		return fmt.Errorf("not all messages were stored: %+v", sum)
	}
	return nil
}

// publicationOf is a change of an item of an account; each number is another item.
func (c *cluster) publicationOf(account string, number int) publish.Publication {
	lane := laneOf(c.Config, account)
	return publish.Publication{
		Subject: "catalog.mutations." + lane.Account + "." + lane.Catalog + "." + string(lane.Type),
		ID:      account + "-" + strconv.Itoa(number), Data: message(number),
	}
}

// message is a change of a product of its own, of about 600 bytes.
func message(number int) []byte {
	const filler = "Sturdy, light and made to last; comes in many colours and is shipped the same day. "
	n := strconv.Itoa(number)
	return []byte(`{"item_id":"SKU-` + n + `","operation":"UPSERT","attributes":{"title":"Product number ` + n +
		`","link":"https://shop.example.com/products/` + n + `","image_link":"https://img.example.com/products/` + n +
		`.jpg","price":"24.99 USD","availability":"in stock","condition":"new","brand":"Example","description":"` +
		strings.Repeat(filler, 3) + `"}}`)
}

// await looks twice a second until the query, of one boolean, says true.
func (c *cluster) await(ctx context.Context, within time.Duration, query string, arguments ...any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		var done bool
		if err := c.Database.QueryRow(ctx, query, arguments...).Scan(&done); err != nil {
			return fmt.Errorf("waiting for %s: %w", query, err)
		}
		if done {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %s", within, query)
		}
	}
}

const allOwned = `SELECT count(*) > 0 AND bool_and(owner IS NOT NULL) FROM courier.lease`
