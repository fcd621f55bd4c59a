// Package deploy_test checks what operators install: alerts, dashboard and units.
package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

type dashboard struct {
	UID        string  `json:"uid"`
	Inputs     any     `json:"__inputs"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Datasource datasource `json:"datasource"`
	Targets    []struct {
		Expr       string     `json:"expr"`
		Datasource datasource `json:"datasource"`
	} `json:"targets"`
}

type datasource struct {
	UID string `json:"uid"`
}

// TestRules runs the tests of the alerts, and looks whether each alert has both of
// its tests and a paragraph for the one who is called.
func TestRules(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	run(t, "prometheus", promtool, "check", "rules", "rules.yaml")
	run(t, "prometheus", promtool, "test", "rules", "rules_test.yaml")

	operations := read(t, "../docs/operations.md")
	tests := read(t, "prometheus/rules_test.yaml")
	alerts := 0
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts++
		require.Contains(t, tests, "name: "+r.Alert+" fires\n")
		require.Contains(t, tests, "name: "+r.Alert+" does not fire\n")
		require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		page, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
		require.True(t, strings.HasSuffix(page, "/docs/operations.md"), r.Alert)
		require.Equal(t, strings.ToLower(r.Alert), anchor)
		require.Contains(t, operations, "\n### "+r.Alert+"\n")
	}
	require.Greater(t, alerts, 15)
}

func TestDashboard(t *testing.T) {
	d := dashboardOf(t)
	require.Nil(t, d.Inputs, "provisioning does not fill __inputs")
	require.NotEmpty(t, d.UID)
	require.Equal(t, "datasource", d.Templating.List[0].Name)
	require.Equal(t, "datasource", d.Templating.List[0].Type)
	ids := map[int]bool{}
	// promtool reads PromQL: as recording rules the queries can be checked.
	var wrapped strings.Builder
	wrapped.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, p := range d.Panels {
		require.Falsef(t, ids[p.ID] || p.ID == 0, "id %d of %q", p.ID, p.Title)
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			require.Equal(t, "${datasource}", target.Datasource.UID, p.Title)
			require.NotEmpty(t, target.Expr, p.Title)
			fmt.Fprintf(&wrapped, "      - {record: 'panel:query', expr: %q}\n", filled(target.Expr))
		}
	}
	require.Greater(t, len(ids), 20)

	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "panels.yaml"), []byte(wrapped.String()), 0o600))
	run(t, folder, tool(t, "promtool", "prometheus"), "check", "rules", "--lint=none", "panels.yaml")
}

// TestMetricsAreDeclared: each metric and label in queries is one that
// docs/telemetry.md declares, and a metric has the labels that are asked of it.
func TestMetricsAreDeclared(t *testing.T) {
	declared := declarations(t)
	require.Greater(t, len(declared), 40)
	var queries []string
	for _, r := range rules(t) {
		queries = append(queries, r.Expr)
	}
	for _, p := range dashboardOf(t).Panels {
		for _, target := range p.Targets {
			queries = append(queries, filled(target.Expr))
		}
	}
	for _, v := range dashboardOf(t).Templating.List {
		if query, ok := v.Query.(map[string]any); ok {
			queries = append(queries, query["query"].(string))
		}
	}
	name := regexp.MustCompile(`\bcourier_[a-z_]+\b`)
	found := 0
	for _, query := range queries {
		labels := map[string]bool{}
		var others []string
		for _, word := range name.FindAllString(query, -1) {
			if of, ok := declared[word]; ok {
				found++
				for label := range of {
					labels[label] = true
				}
			} else {
				others = append(others, word)
			}
		}
		for _, word := range others {
			require.Truef(t, labels[word], "%s in %s is neither a declared metric nor a label of one", word, query)
		}
	}
	require.Greater(t, found, 60)
}

// declarations reads the tables: Prometheus names with their labels.
func declarations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	declared := map[string]map[string]bool{}
	quoted := regexp.MustCompile("`(courier[^`]*)`")
	for line := range strings.Lines(read(t, "../docs/telemetry.md")) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.HasPrefix(cells[1], " `courier.") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		exported, kind, labelCell := strings.Trim(cells[2], " `"), cells[3], cells[5]
		if len(cells) == 6 { // what enqueue serve has, under OpenTelemetry's names
			kind, labelCell = cells[2], cells[3]
			exported = strings.ReplaceAll(name, ".", "_")
			switch {
			case strings.Contains(kind, "counter"):
				exported += "_total"
			case strings.Contains(kind, "histogram, s"):
				exported += "_seconds"
			}
		}
		labels := map[string]bool{}
		for _, match := range quoted.FindAllStringSubmatch(labelCell, -1) {
			labels[strings.ReplaceAll(match[1], ".", "_")] = true
		}
		declared[exported] = labels
		if strings.Contains(kind, "histogram") {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				declared[exported+suffix] = labels
			}
		}
	}
	return declared
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file ruleFile
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "prometheus/rules.yaml")), &file))
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func dashboardOf(t *testing.T) (d dashboard) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(read(t, "grafana/catalog-courier.json")), &d))
	return d
}

// filled replaces Grafana's variables as Grafana does.
func filled(query string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$account", ".*").Replace(query)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(path))
	require.NoError(t, err)
	return string(text)
}

// tool finds a program. CI installs it; a developer may be without.
func tool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoErrorf(t, err, "install Debian's package %s, or leave ./deploy out of the tests", debian)
	return path
}

func run(t *testing.T, folder, program string, args ...string) string {
	t.Helper()
	// promtool computes for seconds; other tests may leave it a small part of the machine.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = folder
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	require.NoErrorf(t, command.Run(), "%s %v:\n%s", program, args, &output)
	return output.String()
}
