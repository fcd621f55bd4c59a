package mapping_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/source/mapping"
)

// TestJQ: the program sees the record alone, and a program without end gives a finding.
func TestJQ(t *testing.T) {
	t.Parallel()
	m := compiled(t, "item_id: \"{id}\"\njq: '{title: (.name | ascii_upcase), price: \"\\(.cents / 100) EUR\", brand: null}'\nattributes: {brand: brand, link: link}\n")
	record := decoded(t, `{"id": "1", "name": "mug", "cents": 1250, "brand": "Acme", "link": "https://a.example"}`)
	item, findings := m.Map(record)
	assert.Empty(t, findings)
	assert.JSONEq(t, `{"title": "MUG", "price": "12.5 EUR", "link": "https://a.example"}`, string(item.Attributes))

	// Bounded operators give what jq's own give.
	m = compiled(t, `{item_id: "{id}", jq: '{a: (1 + 2 * 3), b: ("x" + "y"), c: ({m: {n: 1}} * {m: {o: 2}}), d: ([1] + [2]), e: (null + 1), f: ({v: 2} | .v += 3 | .v *= 2), g: ([1, 2] | map(. + 1) | add), h: ("ab" * 2)}'}`)
	item, findings = m.Map(record)
	assert.Empty(t, findings)
	assert.JSONEq(t, `{"a": 7, "b": "xy", "c": {"m": {"n": 1, "o": 2}}, "d": [1, 2], "e": 1, "f": {"v": 10}, "g": 5, "h": "abab"}`, string(item.Attributes))

	for program, want := range map[string]string{
		"def f: f; f":                          "500,000 instructions",
		"[range(1e12)]":                        "500,000 instructions",
		`reduce range(60) as $i ("x"; . + .)`:  "grow beyond",
		`"abc" * 1e9`:                          "grow beyond",
		`reduce range(60) as $i ([1]; . + .)`:  "grow beyond",
		`reduce range(60) as $i ("x"; . += .)`: "grow beyond",
		`{a: "abc"} | .a *= 1e9`:               "grow beyond",
		`[range(20000)]`:                       "grow beyond",
		`"a", "b"`:                             "more than one value",
		`.name.x`:                              "expected an object",
		`"text"`:                               "must give an object",
	} {
		m := compiled(t, fmt.Sprintf("item_id: \"{id}\"\njq: '%s'\n", program))
		_, findings := m.Map(record)
		require.Len(t, findings, 1, program)
		assert.Equal(t, mapping.KindJQ, findings[0].Kind)
		assert.Contains(t, findings[0].Rule, want, program)
	}
	for _, program := range []string{"now", "input", "$ENV.HOME", "env", "[.a | localtime]", "{title: (now | tostring)}"} {
		_, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Data: []byte("jq: '" + program + "'")}, target("meta/PRODUCT_ITEM"))
		require.ErrorContains(t, err, "is not available", program)
	}
}

// usual are programs as people write them.
var usual = []string{
	".name", ".tags[1:]", ".tags[-1]", ".name[0:3]", ".variants[0].options[1]", `.["name"]`, ".tags[0, 1]", "[.[]?]", "[..]", ".none.a.b", ".tags[.tags | length - 1]",
	".variants | map(.price | tonumber) | add", ".variants | map({(.sku): .price}) | add", `[.variants[] | select(.sku == "y") | .price][0]`, ".variants | max_by(.price | tonumber)",
	".variants | group_by(.sku)", ".variants | sort_by(.price) | map(.sku)", ".tags | unique", ".tags | sort", ".tags | join(\", \")", ".tags | unique_by(.)", "[.tags[] | ascii_upcase]",
	".sizes | to_entries", ".sizes | with_entries(.value += 1)", ".sizes | map_values(. * 2)", ".sizes | keys", ".sizes | add", `.sizes | has("s")`, ".sizes | del(.s)", `[.sizes | .[]]`,
	".tags | any(. == \"a\")", ".tags | all(. == \"a\")", "[.tags[] | . == \"b\"] | any", "[] | all", ".tags | index(\"b\")", ".tags | indices(\"b\")", ".tags | contains([\"a\"])", "\"a\" | IN(\"a\", \"b\")",
	`.name | test("mug")`, `.name | test("MUG"; "i")`, `[.name | match("ó|m"; "g") | .offset]`, `.name | [match("(?<tag><[a-z]>)(x)?")]`, `.name | capture("<b>(?<what>.*)</b>")`,
	`[.name | scan("[a-z]g")]`, `[.name | scan("(u)(g)")]`, `.name | gsub("<[^>]+>"; "")`, `.name | sub("(?<a>[a-z])"; "\(.a | ascii_upcase)!")`, `.name | split(", ")`, `.name | split(" *, *"; null)`, `[.name | splits("a")]`,
	`.name | gsub(""; "-")`, `.name | gsub("(?<l>[aeiou])"; "<\(.l)>")`, `.name | sub("nothing"; "x")`, `"aXbxc" | gsub("x"; "1", "2"; "i")`,
	`"\(.cents / 100) EUR"`, `"x\(.tags)y\(.sizes)"`, "@json", `@html "<i>\(.name)</i>"`, `@base64 "\(.name)"`, ".name | @uri", "[.tags[], 1] | @csv", ".tags | tojson | fromjson", ".cents | tostring",
	".a = 5 | .a", ".a.b |= 3 | .a", ".sizes.s += 10 | .sizes", ".sizes.s -= 1 | .sizes", ".cents /= 4 | .cents", ".cents *= 2 | .cents", ".cents %= 7 | .cents", ".none //= 4 | .none", ".tags[1:] = [\"z\"] | .tags",
	".variants[].price |= tonumber | .variants", "(.variants[] | select(.sku == \"x\") | .price) = \"1\" | .variants", ".tags |= map(select(. != \"b\")) | .tags", ".tags[0] |= empty | .tags", "del(.tags[0, 2]) | .tags",
	"reduce .tags[] as $t (\"\"; . + $t)", "[foreach .tags[] as $t (0; . + 1; [$t, .])]", "[limit(2; .tags[])]", "first(.tags[])", "[.tags[] | first]?", "[range(3)]", "[range(0; 10; 3)]", "[1, 2] - [2]", "{} * {a: 1}", "-.cents",
	"if .flag then 1 elif .none then 2 else 3 end", "try error(\"x\") catch .", "[.tags[] as $x | $x]", ". as {name: $n, tags: [$a]} | [$n, $a]", "def f(x): x * 2; f(.cents)", "def f($x; g): $x + g; f(1; 2)", "label $out | 1, break $out",
	".none // \"default\"", "[.tags[]?, .cents[]?]", ".variants | map(.options[0]) | sort | reverse", ".cents | floor", "[.ratio, 1.5] | map(round)", "walk(if type == \"string\" then length else . end)", ".name | ltrimstr(\"Za\")", ".name | length",
	".name | explode | implode", "[paths?]?", "\"2026-11-27T00:00:00Z\" | fromdate | todate", "[.[] | numbers]", "[.[] | strings]", "until(true; .)", "[.tags | to_entries[] | .key]", ".tags == [\"b\", \"a\", \"b\"]", ".cents < 3 or .flag and (.none | not)",
	"INDEX(.variants[]; .sku) | keys", "[.tags | flatten, ([[1], [[2]]] | flatten(1))]", "[recurse(if . == null then empty else null end) | type]", ".variants | min_by(.price)", "getpath([\"sizes\", \"s\"])", "setpath([\"sizes\", \"s\"]; 9) | .sizes", `[.variants[] | .sku as $s | .options[] | "\($s)-\(.)"]`, "ascii_downcase?", "$__prog?", "[splits(\"x\")?]",
	".name | trim | rtrimstr(\"e\")", "[.tags | .[1:][], .[:1][]]", ".tags | add(.[])", ".cents | in([1])?", "(.name, .cents) |= tostring | .cents", "[{\"name\": \"a\", \"value\": 1}, {\"k\": 1, \"key\": null, \"value\": false}] | .[:1] | from_entries",
}

// TestJQIsJQ: guards and the functions that replace jq's own change no result.
func TestJQIsJQ(t *testing.T) {
	t.Parallel()
	record := decoded(t, `{"id": "7", "name": "Zażółć <b>mug</b>, large", "cents": 1250, "ratio": 0.5, "tags": ["b", "a", "b"], "empty": [], "none": null,
		"sizes": {"s": 1, "m": 2}, "variants": [{"sku": "x", "price": "5.00", "options": ["red", "S"]}, {"sku": "y", "price": "4.50", "options": ["blue", "M"]}], "flag": true}`)
	for _, program := range usual {
		query, err := gojq.Parse(program)
		require.NoError(t, err, program)
		m, failed := mapping.Compile(mapping.Spec{ItemID: "{id}", Data: []byte("jq: |\n  {result: [" + program + "]}\n")}, target("meta/PRODUCT_ITEM"))
		plain, err := gojq.Compile(query)
		if failed != nil {
			assert.Contains(t, []string{"[paths?]?", "$__prog?"}, program, "%v", failed)
			continue
		}
		require.NoError(t, err, program)
		wanted := []any{}
		results := plain.Run(record)
		for {
			value, ok := results.Next()
			if !ok {
				break
			}
			if err, ok := value.(error); ok {
				require.NoError(t, err, program)
			}
			wanted = append(wanted, value)
		}
		text, err := gojq.Marshal(map[string]any{"result": wanted})
		require.NoError(t, err)
		item, findings := m.Map(record)
		require.Empty(t, findings, program)
		assert.JSONEq(t, string(text), string(item.Attributes), program)
	}
}

// hostile programs end within their limits. Each builds values that are far larger than what
// it reads.
var hostile = []string{
	`def f: f; f`, `def f: 1 + f; f`, `def f: [f]; f`, `def f: map([range(9000)] | f); [range(9000)] | f`, `[range(1e12)]`, `[repeat(1)]`, `[recurse(.)]`, `[while(true; .)]`, `until(false; .)`, `last(range(1e12))`, `[limit(1e12; repeat("x"))]`,
	`reduce range(1e9) as $i (0; . + 1)`, `reduce range(60) as $i ("x"; . + .)`, `reduce range(60) as $i ("x"; . += .)`, `"abc" * 1e9`, `"abc" * 1000 * 1000 * 1000`, `reduce range(60) as $i ([1]; . + .)`,
	`reduce range(60) as $i ("x"; [., .]) | tojson`, `reduce range(60) as $i ("x"; [., .]) | tostring`, `reduce range(60) as $i ("x"; [., .]) | "\(.)"`, `reduce range(60) as $i ("x"; [., .]) | @json`, `reduce range(60) as $i ("x"; [., .]) | flatten`,
	`reduce range(60) as $i ("x"; [., .]) | error`, `reduce range(60) as $i ("x"; [., .]) | . == [.]`, `(reduce range(60) as $i ("x"; [., .])) as $a | (reduce range(60) as $i ("x"; [., .])) as $b | $a == $b`, `reduce range(60) as $i ("x"; {a: ., b: .}) | [..] | length`,
	`reduce range(60) as $i ("x"; [., .]) | sort_by(.)`, `reduce range(60) as $i ("x"; [., .]) | unique`, `reduce range(60) as $i ("x"; [., .]) | contains([[1]])`, `reduce range(60) as $i ("x"; [., .]) | walk(.)`, `reduce range(60) as $i ("x"; [., .]) | .[[1]]`, `reduce range(60) as $i ("x"; [., .])`,
	`.[60000000] = 1`, `[1] | .[500000000] = 1`, `[1] | .[5e8] |= 1`, `null | setpath([500000000]; 1)`, `[] | .[400000000 + 1] += 1`, `[1] | .[.[0] * 100000000] = 1`, `null | nth(1e9) = 1`, `[1] as [$a] | [] | .[10 * 10 * 10000000] //= $a`,
	`reduce range(40) as $i (9; . * .)`, `reduce range(40) as $i (99999999999999999999; . * .) | tostring`, `("9" * 1000000) | tonumber | . * .`, `("[" * 1000000) | fromjson`, `("[1]," * 200000) | "[" + . + "1]" | fromjson`, `("a" * 1000000) | explode`, `[range(10000) | "x" * 100] | join("x" * 1000000)`,
	`("x" * 1000000) as $s | [range(10000) | $s]`, `("x" * 1000000) as $s | [range(10000) | $s + "y"]`, `("x" * 1000000) as $s | [range(10000) | $s[1:]]`, `("x" * 1000000) as $s | [range(10000) | $s | ascii_upcase]`, `("x" * 1000000) as $s | [range(10000) | $s] | join("")`, `("x" * 1000000) as $s | [range(10000) | $s] | add`,
	`("x" * 1000000) as $s | [range(10000) | $s] | sort`, `("x" * 1000000) as $s | [range(10000) | [$s, .]] | sort_by(.[0] + "y")`, `("x" * 500000) as $s | [range(10000) | @base64 "\($s)"]`, `("x" * 1000000) | gsub(""; "yyyy")`, `("x" * 1000000) | [match(""; "g")]`, `("x" * 60000) | [match("(((x)))"; "g")] | length`, `("x" * 60000) | gsub("x"; "yy")`,
	`[range(10000)] as $a | [$a[] as $x | $a[] as $y | [$x, $y]]`, `[range(10000)] as $a | def f: $a[] | f; f`, `[range(10000)] as $a | def f: [$a[] | f]; f`, `[range(10000)] as $a | $a - $a`, `[range(9999)] as $a | $a | index($a)`, `reduce range(1e6) as $i ({}; .["k\($i)"] = 1)`, `reduce range(1e6) as $i ([]; .[$i] = 1)`, `reduce range(1e6) as $i ([]; . + [$i])`,
	`[range(100000) | tostring | test("a")]`, `[range(100000) | test("a\(.)")?]`, `[range(100000) as $i | .id | test("\($i)")]`, `("a" * 1000000) | test("(.{0,100}){0,9}x")`, `("a" * 60000) | test("(.{0,100}){0,9}x")`, `("a" * 60000) | [range(100) as $i | test("(.{0,100}){0,8}x\($i)")]`, `.id | test("(((((a{10}){10}){10}){10}){10})")`, `reduce range(5000) as $i (0; [.])`, `reduce range(5000) as $i (0; [.]) | tojson`, `reduce range(5000) as $i (0; {a: .}) | ..`, `try error(reduce range(60) as $i ("x"; [., .])) catch tojson`,
	`[.tags[] |= repeat(.)]`, `[range(1e9)] | transpose?`, `{(("k" * 1000000)): 1} | [., .] | [., .] | [., .]`, `reduce range(1e6) as $i (.; .id += "x")`, `.id as $x | [range(1e6) | $x | split("")]`, `("x" * 1000000) | split("")`, `("x" * 60000) | [splits("")]`, `("x " * 30000) | [splits(" ")] | length`, `("%A" * 500000) as $f | 0 | strftime($f)`,
	`"x" as $s | [range(1e6) | {a: $s, b: $s, c: $s, d: {e: [$s]}}] | length`, `def f(g): f(f(g)); f(1)`, `def f(g): g, f(g + 1); [f(0)]`, `[.] | [combinations?]`, `("a" * 1000000) | ltrimstr("b") | [range(1000) as $i | ascii_downcase]`, `reduce range(30) as $i ([range(1000)]; map([., .]))`,
}

// memoryLimit is far above what a program may hold, and far below what one instruction
// without guards takes.
const memoryLimit = 512 << 20

// TestHostileJQ runs the hostile programs in a process of its own, so that the most memory
// that it has held is known.
func TestHostileJQ(t *testing.T) {
	t.Parallel()
	if os.Getenv("MAPPING_HOSTILE") != "" {
		runHostile(t)
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileJQ$", "-test.v")
	command.Env = append(os.Environ(), "MAPPING_HOSTILE=1")
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	assert.Equal(t, len(hostile), strings.Count(string(output), "ended:"), string(output))
}

func runHostile(t *testing.T) {
	t.Helper()
	debug.SetMemoryLimit(memoryLimit / 4) // the collector works for its pay
	for _, program := range hostile {
		m, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Data: []byte("jq: |\n  " + program + "\n")}, mapping.Target{Platform: "meta", Type: catalog.Type("PRODUCT_ITEM")})
		if err != nil {
			t.Logf("ended: %s is refused: %v", program, err)
			continue
		}
		start := time.Now()
		item, findings := m.Map(map[string]any{"id": "1", "tags": []any{"a", "b"}})
		took := time.Since(start)
		held := mostHeld(t)
		t.Logf("ended: %s after %s, %d MiB: %v", program, took, held>>20, findings)
		if len(item.Attributes) > 2 {
			t.Errorf("%s gives %.100s", program, item.Attributes)
		}
		if len(findings) == 0 {
			t.Errorf("%s has no finding", program)
		}
		if took > 20*time.Second {
			t.Errorf("%s takes %s", program, took)
		}
		if held > memoryLimit {
			t.Fatalf("%s: the process has held %d MiB", program, held>>20)
		}
	}
}

// mostHeld is the most memory that this process has held so far, in bytes.
func mostHeld(tb testing.TB) int {
	tb.Helper()
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kibibytes, err := strconv.Atoi(strings.Fields(value)[0])
				require.NoError(tb, err)
				return kibibytes << 10
			}
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapSys)
}

// FuzzJQ: whatever the program, it ends in time, and the process does not grow beyond the limit.
func FuzzJQ(f *testing.F) {
	seeds := slices.Clone(usual)
	if !testing.Short() {
		seeds = append(seeds, hostile...) // TestHostileJQ runs them too
	}
	for _, program := range seeds {
		f.Add(program)
	}
	record := decoded(f, `{"id": "7", "name": "Mug, large", "cents": 1250, "tags": ["b", "a", "b"], "sizes": {"s": 1}, "variants": [{"sku": "x", "price": "5.00"}, {"sku": "y", "price": "4.50"}]}`)
	f.Fuzz(func(t *testing.T, program string) {
		text, err := json.Marshal(program)
		require.NoError(t, err)
		m, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Data: []byte("jq: " + string(text))}, target("meta/PRODUCT_ITEM"))
		if err != nil {
			return
		}
		start := time.Now()
		item, findings := m.Map(record)
		if took := time.Since(start); took > 10*time.Second {
			t.Fatalf("takes %s", took)
		}
		checkItem(t, item, findings)
		if held := mostHeld(t); held > 2*memoryLimit {
			t.Fatalf("the process has held %d MiB", held>>20)
		}
	})
}
