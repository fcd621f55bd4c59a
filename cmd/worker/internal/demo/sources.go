package demo

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/cmd/internal/destination"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// Step is what one run of the feed, or one webhook, did.
type Step struct {
	What      string
	Read      int64
	Published int64
	Withheld  int
	State     string
	Why       string
}

// shop is the source of the examples, with a feed of its own to change.
type shop struct {
	options  Options
	settings *config.Config
	source   *source.Source
	path     string
	runner   *run.Runner
	store    *persistence.Sources
	secret   string
	items    []string // of the changed feed
	steps    []Step
}

// runSources runs the example feed several times, and sends a webhook between. The error
// says what kept it from an end.
func runSources(ctx context.Context, options Options, environment *local.Environment, settings *config.Config, asked view) (steps []Step, wrong []string, err error) {
	folder, err := os.MkdirTemp("", "courier-demo-feed-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	conn, err := natsconn.Connect(settings.NATS, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	js, err := natsconn.JetStream(settings.NATS, conn)
	if err != nil {
		return nil, nil, err
	}
	s := &shop{options: options, path: filepath.Join(folder, "shop.xml"), store: persistence.NewSources(asked.Pool, 0)}
	s.runner = &run.Runner{Store: s.store, Publish: run.Publishing(publish.NewPublisher(js, publish.Options{})), Logger: options.Logger, Name: "demo", Folder: folder}
	if err := s.compile(environment); err != nil {
		return nil, nil, err
	}
	for _, step := range []func(context.Context) error{s.first, s.again, s.changed, s.webhook, s.broken} {
		if err := step(ctx); err != nil {
			return nil, nil, err
		}
	}
	published := 0
	for _, step := range s.steps {
		published += int(step.Published)
	}
	if err := asked.waitForEnd(ctx, "src-%", published, func(string, ...any) {}); err != nil {
		return nil, nil, err
	}
	return s.steps, s.check(environment, settings), nil
}

// compile makes the source of the examples ready, with the feed in the folder.
func (s *shop) compile(environment *local.Environment) (err error) {
	s.settings, err = config.Parse("examples/courier.yaml", examples.Config, config.Options{
		Flags: environment.Overrides(), WithoutAccounts: true, WithSources: true, Platforms: platform.Configs(s.options.Platforms),
	})
	if err != nil {
		return err
	}
	example := s.settings.Sources["mugs"]
	example.Feed.URL = s.path
	s.secret = example.Webhook.Secrets[0].Reveal()
	s.source, err = source.New(example, destination.Of(s.options.Platforms), "")
	return err
}

// write puts the feed there, as if the shop had written it some time ago.
func (s *shop) write(feed []byte, ago time.Duration) error {
	if err := os.WriteFile(s.path, feed, 0o600); err != nil {
		return err
	}
	at := time.Now().Add(-ago)
	return os.Chtimes(s.path, at, at)
}

func (s *shop) run(ctx context.Context, what string) error {
	result, err := s.runner.Run(ctx, s.source.Source, run.Request{Trigger: "demo"})
	if err != nil {
		return err
	}
	s.steps = append(s.steps, Step{
		What: what, Read: result.Read, Published: result.Published, Withheld: result.Withheld, State: string(result.State), Why: result.Reason,
	})
	return nil
}

func (s *shop) first(ctx context.Context) error {
	return errors.Join(s.write(examples.Feed, time.Hour), s.run(ctx, "a feed of 120 products, to two catalogs"))
}

func (s *shop) again(ctx context.Context) error { return s.run(ctx, "the same feed again") }

var salePrice = regexp.MustCompile(`<g:sale_price>.*</g:sale_price>\n`)

// changed has other prices of three products, and no sale price of one.
func (s *shop) changed(ctx context.Context) error {
	items := strings.SplitAfter(string(examples.Feed), "</item>\n")
	for _, i := range []int{1, 2, 3} {
		items[i] = strings.Replace(items[i], ".90 USD", ".95 USD", 1)
	}
	items[0] = salePrice.ReplaceAllString(items[0], "")
	s.items = items
	return errors.Join(s.write([]byte(strings.Join(items, "")), 45*time.Minute), s.run(ctx, "3 prices changed, a sale ended"))
}

// webhook sends one product with another price, signed as the sender signs.
func (s *shop) webhook(ctx context.Context) error {
	receiver, closing, err := s.source.Receiver(source.ReceiverOptions{Store: s.store, Publish: s.runner.Publish, Logger: s.options.Logger})
	if err != nil {
		return err
	}
	defer closing()
	body := fmt.Sprintf(`{"type":"product.updated","timestamp":%q,"data":{"id":"MUG-050","title":"Mug number 50, black",`+
		`"description":"A black mug.","link":"https://mugs.example/mugs/50","image_link":"https://mugs.example/mugs/50.jpg",`+
		`"availability":"in_stock","price":"4.95 USD","condition":"new","brand":"Mugs","color":"black","item_group_id":"MUG-10"}}`,
		time.Now().Add(-30*time.Minute).Format(time.RFC3339))
	id, now := "msg_demo", strconv.FormatInt(time.Now().Unix(), 10)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, now, body)
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/webhooks/mugs", strings.NewReader(body))
	request.Header.Set("Webhook-Id", id)
	request.Header.Set("Webhook-Timestamp", now)
	request.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	answer := httptest.NewRecorder()
	receiver.ServeHTTP(answer, request)
	var said struct {
		State     string `json:"state"`
		Published int64  `json:"published"`
		Reason    string `json:"reason"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil || answer.Code/100 != 2 {
		return fmt.Errorf("the webhook was answered %d: %s", answer.Code, answer.Body)
	}
	s.steps = append(s.steps, Step{What: "a webhook with another price", Read: 1, Published: said.Published, State: said.State, Why: said.Reason})
	return nil
}

// broken is a feed that lost most products, as a broken export does.
func (s *shop) broken(ctx context.Context) error {
	items := s.items
	short := slices.Concat(items[:40], items[len(items)-1:])
	return errors.Join(s.write([]byte(strings.Join(short, "")), 20*time.Minute), s.run(ctx, "a feed that lost 80 products"))
}

// check compares what the platforms hold with what the feed and the webhook said.
func (s *shop) check(environment *local.Environment, worker *config.Config) (wrong []string) {
	for i, route := range s.source.Routes {
		settings := s.source.Config.Routes[i]
		for _, one := range environment.Platforms.All() {
			if one.Name != settings.Platform {
				continue
			}
			account := worker.Accounts[route.Lane.Account]
			items := one.Items(one.CatalogKey(account.Catalogs[route.Lane.Catalog].Keys), route.Lane.Type)
			if len(items) != 120 {
				wrong = append(wrong, fmt.Sprintf("%s holds %d items of the feed's 120", route, len(items)))
			}
			if text := items["MUG-001"]; strings.Contains(text, "6.90") {
				wrong = append(wrong, fmt.Sprintf("%s still has the sale price that ended: %s", route, text))
			}
			if text := items["MUG-050"]; !strings.Contains(text, "4.95") {
				wrong = append(wrong, fmt.Sprintf("%s has not what the webhook said: %s", route, text))
			}
		}
	}
	return wrong
}
