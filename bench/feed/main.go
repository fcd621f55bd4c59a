// Command feed measures runs of a large feed: the first one, one of an unchanged file, one
// in which nothing changed though the file did, and one with a changed percent. Broker and
// Postgres are real; the program that runs the feed is a process of its own, whose processor
// time and memory are what the figures are of.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/catalog-courier/catalog-courier/test/rig"
)

type options struct {
	enqueue string
	items   int
	routes  int
	timeout time.Duration
}

func main() { os.Exit(command()) }

func command() int {
	var o options
	flag.StringVar(&o.enqueue, "enqueue", "../bin/enqueue", "the program")
	flag.IntVar(&o.items, "items", 1_000_000, "how many items the feed has")
	flag.IntVar(&o.routes, "routes", 1, "to how many catalogs they go: 1 or 2")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Minute, "give up after this time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "feed:", err)
		return 1
	}
	return 0
}

const configuration = `
nats: {url: "${NATS_URL}"}
accounts:
  acme-meta: {platform: meta, access_token: "${TOKEN}", base_url: "${META_URL}", catalogs: {products: {catalog_id: 1}}}
  acme-pinterest: {platform: pinterest, access_token: "${TOKEN}", base_url: "${PINTEREST_URL}", ad_account_id: "1", catalogs: {us: {country: US, language: en-US, catalog_id: "1"}}}
`

const sources = `
sources:
  shop:
    feed: {url: "FEED"}
    item_id: "{id}"
    routes:
      - {account: acme-meta, catalog: products, type: PRODUCT_ITEM, mapping: google}
`

const second = `      - {account: acme-pinterest, catalog: us, type: RETAIL, mapping: google}
`

func measure(ctx context.Context, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	folder, err := os.MkdirTemp("", "courier-feed-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	service, err := rig.StartServers(ctx, rig.ServerOptions{Config: configuration, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	path := filepath.Join(folder, "feed.xml")
	file := configuration + strings.Replace(sources, "FEED", path, 1)
	if o.routes > 1 {
		file += second
	}
	config := filepath.Join(folder, "courier.yaml")
	if err := os.WriteFile(config, []byte(file), 0o600); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer table.Flush()
	_, _ = fmt.Fprintln(table, "run\tfeed\tpublished\ttime\titems/s\tprocessor\tmemory\t")
	for _, one := range []struct {
		name    string
		changed int // of a hundred items
		rewrite bool
	}{
		{"first", 0, true}, {"same file", 0, false}, {"nothing changed", 0, true}, {"1 % changed", 1, true},
	} {
		if one.rewrite {
			if err := write(path, o.items, one.changed, one.name); err != nil {
				return err
			}
		}
		if err := runOnce(ctx, o, service, config, one.name, path, table); err != nil {
			return err
		}
	}
	return nil
}

// runOnce applies the feed once and prints what it took.
func runOnce(ctx context.Context, o options, service *rig.Servers, config, name, path string, table *tabwriter.Writer) error {
	about, err := os.Stat(path)
	if err != nil {
		return err
	}
	// A file that is only seconds old may still be written, and is waited for.
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, o.enqueue, "feed", "apply", "shop", "--config", config, "--output", "json", "--yes") //nolint:gosec // the program to measure
	for key, value := range service.Variables() {
		command.Env = append(command.Env, key+"="+value)
	}
	command.Env = append(command.Env, "TMPDIR="+filepath.Dir(path))
	command.Stderr = os.Stderr
	began := time.Now()
	var out bytes.Buffer
	command.Stdout = &out
	if err := command.Start(); err != nil {
		return err
	}
	memory := watch(command.Process.Pid)
	err = command.Wait()
	took, most := time.Since(began), <-memory
	if err != nil {
		return err
	}
	var said struct {
		Result struct {
			Published int64 `json:"published"`
		} `json:"result"`
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		return fmt.Errorf("%w: %s", err, out.Bytes())
	}
	processor := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	_, err = fmt.Fprintf(table, "%s\t%d MiB\t%d\t%.1f s\t%.0f\t%.1f s\t%d MiB\t\n", name, about.Size()>>20, said.Result.Published,
		took.Seconds(), float64(o.items)/took.Seconds(), processor.Seconds(), most>>10)
	return err
}

// watch looks at the most memory that a process had, in KiB, until it is gone. The kernel's
// own count at the end would begin with that of this process.
func watch(process int) <-chan int64 {
	found := make(chan int64, 1)
	go func() {
		var most int64
		for {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
			_, after, there := strings.Cut(string(status), "VmHWM:")
			if err != nil || !there { // it is gone, or waits to be
				found <- most
				return
			}
			var now int64
			if _, err := fmt.Sscan(after, &now); err == nil {
				most = max(most, now)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return found
}

// write writes a feed in Google's form. Of each hundred items, so many have another price.
func write(path string, items, changed int, title string) (err error) {
	file, err := os.Create(path) //nolint:gosec // a temporary file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, 1<<20)
	_, _ = out.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>" + title + "</title>\n")
	for i := range items {
		price := 1000 + i%9000
		if i%100 < changed {
			price++
		}
		_, _ = fmt.Fprintf(out, `<item><g:id>SKU-%07d</g:id><g:title>Product number %d with a title of usual length</g:title>`+
			`<g:description><![CDATA[A description of product %d, which says in two sentences what it is made of and for whom. It is washable &amp; comes in many colours.]]></g:description>`+
			`<g:link>https://shop.example/products/product-number-%d</g:link><g:image_link>https://cdn.shop.example/images/%d/main.jpg</g:image_link>`+
			`<g:additional_image_link>https://cdn.shop.example/images/%d/back.jpg</g:additional_image_link><g:availability>in_stock</g:availability>`+
			`<g:price>%d.%02d EUR</g:price><g:condition>new</g:condition><g:brand>Acme</g:brand><g:gtin>%013d</g:gtin><g:item_group_id>GROUP-%06d</g:item_group_id>`+
			`<g:color>blue</g:color><g:size>M</g:size><g:google_product_category>1604</g:google_product_category><g:product_type>Apparel &gt; Shirts</g:product_type>`+
			`<g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping></item>`+"\n",
			i, i, i, i, i, i, price/100, price%100, i, i/4)
	}
	_, _ = out.WriteString("</channel></rss>\n")
	return out.Flush()
}
