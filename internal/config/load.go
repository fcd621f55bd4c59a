package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// maxFile bounds the configuration, which holds 100,000 accounts and more, maxSecret every
// file of a secret.
const (
	maxFile   = 64 << 20
	maxSecret = 4 << 20
)

// Options say where settings come from besides the file.
type Options struct {
	// Lookup reads an environment variable; os.LookupEnv in a program.
	Lookup func(name string) (string, bool)
	// Environ lists all variables as NAME=value, os.Environ in a program: those that were
	// meant for a setting and are none are problems. Nil: nobody looks.
	Environ func() []string
	// Flags are values given on the command line, by key, such as "nats.url". They
	// win over everything.
	Flags map[string]string
	// FlagsFrom is what Config.Origin calls the origin of Flags. Defaults to the names
	// of the flags.
	FlagsFrom string
	// WithoutAccounts leaves accounts and defaults unread, for commands that only
	// talk to the stream and the database: those must work where the platforms'
	// tokens are not at hand.
	WithoutAccounts bool
	// WithNotices reads the section notices as well. Only with WithoutAccounts.
	WithNotices bool
	// WithoutTokens reads accounts for commands that only look: tokens and other secrets
	// of accounts are left unread, and what an account lacks is no problem, such as a variable
	// of the environment that is not set here.
	WithoutTokens bool
	// WithSources reads the sections sources and serve as well, and of the accounts what
	// sources need of them. Only with WithoutAccounts.
	WithSources bool
	// Platforms are those that accounts can be of, in the order in which messages and
	// the reference name them.
	Platforms []Platform
}

// Load reads the file and returns the effective configuration. An empty path
// means no file. The error is Problems when the content is wrong: all of it at
// once.
func Load(path string, options Options) (*Config, error) {
	if path == "" {
		return Parse("", nil, options)
	}
	content, err := readBounded(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	loaded, err := Parse(path, content, options)
	if err != nil {
		return nil, err
	}
	loaded.Fingerprint = sha256.Sum256(content)
	return loaded, nil
}

// Parse is Load for a file that was read already; name is what problems call it.
func Parse(name string, content []byte, options Options) (*Config, error) {
	if options.Lookup == nil {
		options.Lookup = func(string) (string, bool) { return "", false }
	}
	root, err := readTree(name, content)
	if err != nil {
		return nil, err
	}
	l := &loader{
		decoder:  decoder{file: name, lookup: options.Lookup, lines: map[string]int{}, withoutTokens: options.WithoutTokens},
		options:  options,
		config:   infrastructureDefaults(),
		catalogs: map[string]*Catalog{},
	}
	l.accountKeys, l.catalogKeys = accountKeys(options.Platforms), catalogKeys(options.Platforms)
	l.load(root)
	l.checkVariables(content)
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	return l.config, nil
}

type loader struct {
	decoder
	options  Options
	config   *Config
	defaults *yaml.Node          // the defaults section, nil when there is none
	accounts []*Account          // as they are being read
	sources  []*Source           // as they are being read
	catalogs map[string]*Catalog // account.catalog

	accountKeys []merged
	catalogKeys []merged

	outcomeWebhooks []*OutcomeWebhook // as they are being read
}

func (l *loader) load(root *yaml.Node) {
	infrastructure := l.settings()
	known := append([]field{}, infrastructure...)
	known = append(known, l.accountsSettings()...)
	known = append(known, l.sourcesSettings()...)
	known = append(known, l.noticeSettings())
	l.defaults = topLevel(root, "defaults")
	if root != nil {
		l.section(root, "", known)
	}
	l.noteLines(infrastructure, "")
	l.environment(infrastructure, "")
	if l.options.WithSources {
		serve := []field{l.serveSection()}
		l.noteLines(serve, "")
		l.environment(serve, "")
	}
	l.flags(infrastructure)
	l.checkInfrastructure()
	l.finishOutcomes()
	if l.options.WithSources {
		l.finishSources()
	}
	if !l.options.WithoutAccounts {
		l.finishAccounts()
		l.checkAccounts()
	}
	if l.readsNotices() {
		l.checkNotices()
	}
}

// accountsSettings declares the two sections about accounts, defaults first.
func (l *loader) accountsSettings() []field {
	if l.options.WithoutAccounts {
		accounts := field{Key: setting.Key{Name: "accounts"}, ignored: !l.options.WithSources, read: l.destinations}
		return []field{{Key: setting.Key{Name: "defaults"}, ignored: true}, accounts}
	}
	items, bytes := widest(l.options.Platforms)
	return []field{
		section("defaults", "For all accounts.", deliverySettings(&Delivery{}, items, bytes)...),
		{Key: setting.Key{Name: "accounts", Doc: "The accounts, by the name that is in the subject."}, entries: l.accountEntry},
	}
}

func (l *loader) accountEntry(name string) ([]field, error) {
	if !token.MatchString(name) {
		return nil, errName
	}
	account := &Account{Name: name, Keys: setting.Values{}}
	l.accounts = append(l.accounts, account)
	list := l.accountFields(account)
	for i := range list {
		list[i].ignored = l.options.WithoutTokens && (list[i].Secret || strings.HasSuffix(list[i].Name, "_file"))
	}
	return list, nil
}

// topLevel finds one key of the top level, without a word about what is wrong.
func topLevel(root *yaml.Node, key string) *yaml.Node {
	if root == nil {
		return nil
	}
	node := resolve(root)
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// applyDefaults gives an account the platform's defaults with the file's laid
// over. Limits of the platform hold for both.
func (l *loader) applyDefaults(a *Account) {
	platform := l.platformOf(a)
	a.Delivery = deliveryDefaults(platform)
	if l.defaults == nil {
		return
	}
	l.note = " (as " + a.Platform + " accounts use it)"
	l.section(l.defaults, "defaults", deliverySettings(&a.Delivery, platform.MaxItems, platform.MaxBytes))
	l.note = ""
}

// environment reads COURIER_<KEY> and the well-known names for every value
// outside of the accounts.
func (l *loader) environment(settings []field, at string) {
	for _, s := range settings {
		key := joinKey(at, s.Name)
		switch {
		case s.children != nil:
			l.environment(s.children, key)
			continue
		case s.assign == nil:
			continue // a list: it is in the file only
		}
		if s.assign == nil { // names that the user chooses
			continue
		}
		for _, name := range variableNames(s, key) {
			value, found := l.lookup(name)
			if !found || value == "" {
				continue
			}
			if err := s.assign(value); err != nil {
				l.problems = append(l.problems, Problem{Source: "environment", Key: name, Text: err.Error()})
			}
			l.noteOrigin(key, "environment "+name)
		}
	}
}

// variableNames lists a setting's variables, the one that wins last.
func variableNames(s field, key string) []string {
	own := "COURIER_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
	if s.Env != "" {
		return []string{s.Env, own}
	}
	return []string{own}
}

func (l *loader) flags(settings []field) {
	for _, key := range sortedKeys(l.options.Flags) {
		s, found := findSetting(settings, key)
		if !found {
			l.problems = append(l.problems, Problem{Source: "command line", Key: key, Text: "is not a known setting"})
			continue
		}
		if err := s.assign(l.options.Flags[key]); err != nil {
			l.problems = append(l.problems, Problem{Source: "command line", Key: key, Text: err.Error()})
		}
		l.noteOrigin(key, cmp.Or(l.options.FlagsFrom, flagName(key)))
	}
}

func findSetting(settings []field, key string) (field, bool) {
	first, rest, nested := strings.Cut(key, ".")
	for _, s := range settings {
		if s.Name != first {
			continue
		}
		if nested {
			return findSetting(s.children, rest)
		}
		return s, s.assign != nil
	}
	return field{}, false
}

// readFile reads the file of a secret.
func (l *loader) readFile(path string) (string, error) {
	content, err := readBounded(path, maxSecret)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	return string(content), nil
}

func readBounded(path string, limit int) (content []byte, err error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(content) > limit {
		return nil, fmt.Errorf("%s is larger than %s", path, setting.ShortSize(int64(limit)))
	}
	return content, nil
}

// readTree parses the file; nil when it is empty.
func readTree(path string, content []byte) (*yaml.Node, error) {
	documents := yaml.NewDecoder(bytes.NewReader(content))
	var root yaml.Node
	switch err := documents.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, Problems{syntaxProblem(path, err)}
	}
	var second yaml.Node
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, Problems{syntaxProblem(path, err)}
		}
		return nil, Problems{{Source: path, Line: second.Line, Text: "a second YAML document begins here; one file is one document"}}
	}
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		return root.Content[0], nil
	}
	return nil, nil
}

var (
	yamlLine = regexp.MustCompile(`line (\d+): `)
	// A secret that begins with * and has no quotes around it is taken for one.
	yamlAnchor = regexp.MustCompile(`unknown anchor '.*' referenced`)
)

func syntaxProblem(path string, err error) Problem {
	problem := Problem{Source: path, Text: "is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if at := yamlLine.FindStringSubmatch(err.Error()); at != nil {
		problem.Line, _ = strconv.Atoi(at[1])
		problem.Text = strings.Replace(problem.Text, at[0], "", 1)
	}
	problem.Text = yamlAnchor.ReplaceAllString(problem.Text, "unknown anchor; a value that begins with * needs quotes")
	return problem
}
