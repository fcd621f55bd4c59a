package rawjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

type seenMember struct{ name, raw, text string }

func scanned(object string) (members []seenMember) {
	scan := rawjson.Scan(object)
	for {
		name, v, ok := scan.Member()
		if !ok {
			return members
		}
		members = append(members, seenMember{name.Text(), v.Raw, v.Text()})
	}
}

// scannedNested are the members of an object, and behind each the members of its value, read
// in the same pass: all of them, or the first so many.
func scannedNested(object string, most int) (members []seenMember, fault rawjson.Fault) {
	scan := rawjson.Scan(object)
	for {
		name, ok := scan.Name()
		if !ok {
			return members, scan.Fault()
		}
		var v rawjson.Value
		var inside []seenMember
		if inner, is := scan.Nested(); is {
			for len(inside) < most {
				name, v, ok := inner.Member()
				if !ok {
					break
				}
				inside = append(inside, seenMember{name.Text(), v.Raw, v.Text()})
			}
			v, ok = scan.Leave(&inner)
		} else {
			v, ok = scan.Value()
		}
		if !ok {
			return members, scan.Fault()
		}
		members = append(append(members, seenMember{name.Text(), v.Raw, v.Text()}), inside...)
	}
}

// scannedTwice is the same in a pass for each object.
func scannedTwice(object string, most int) (members []seenMember, fault rawjson.Fault) {
	scan := rawjson.Scan(object)
	for {
		name, v, ok := scan.Member()
		if !ok {
			return members, scan.Fault()
		}
		members = append(members, seenMember{name.Text(), v.Raw, v.Text()})
		if v.Kind == rawjson.Object {
			inside := scanned(v.Raw)
			members = append(members, inside[:min(most, len(inside))]...)
		}
	}
}

func TestNestedObjectsAreReadInTheSamePass(t *testing.T) {
	t.Parallel()
	for _, object := range []string{
		`{"a":{"b":1,"c":{"d":[2]}},"e":{}, "f" : { "g" : null } ,"h":"{}"}`, `{"a":{"b":1},"a":{"b":1}}`, `{"a":[{"b":1}]}`, `{"a":{"b":1}`, `{"a":{"b":1}}}`,
		`{"a":{"b":1`, `{"a":{"b":1,}}`, `{"a":{"b":x}}`, `{"a":{"b":1}]`, `{"a":{`, `{"a":{b}}`, `{"a":{"b":1]}`, `{"a":{"b":{"c":1}}, "x"}`,
		`{"a":` + strings.Repeat(`{"a":`, rawjson.MaxDepth-1) + "1" + strings.Repeat("}", rawjson.MaxDepth-1) + "}",
		`{"a":` + strings.Repeat(`{"a":`, rawjson.MaxDepth) + "1" + strings.Repeat("}", rawjson.MaxDepth) + "}",
		`{"a":` + strings.Repeat("[", rawjson.MaxDepth-1) + strings.Repeat("]", rawjson.MaxDepth-1) + "}",
		`{"a":` + strings.Repeat("[", rawjson.MaxDepth) + strings.Repeat("]", rawjson.MaxDepth) + "}",
	} {
		requireNestedAgrees(t, object)
	}
}

func requireNestedAgrees(t *testing.T, object string) {
	t.Helper()
	for most := range 3 {
		got, gotFault := scannedNested(object, most)
		want, wantFault := scannedTwice(object, most)
		require.Equal(t, wantFault, gotFault, object)
		require.Equal(t, want, got, object)
	}
}

// parsed is the same with the decoder that the merge algebra uses.
func parsed(object string) (members []seenMember) {
	gjson.Parse(object).ForEach(func(name, v gjson.Result) bool {
		members = append(members, seenMember{name.Str, v.Raw, v.Str})
		return true
	})
	return members
}

func TestScannerReadsMembersAsTheyStand(t *testing.T) {
	t.Parallel()
	for _, object := range []string{
		`{}`, ` { } `, `{"a":1}`, "{\n\t\"a\" : -1.5e3 ,\r\"b\":null}", `{"a":"","b":"\\","c":"\\\"","d":"x\"y"}`,
		`{"a":{"b":[1,{"c":"}"}],"d":"]"},"e":[[],{}]}`, `{"a\u0062":true,"\"":false}`, `{"ü":"\u00e4é"}`, `{"":""}`,
		`{"twice":1,"twice":2}`, `{"long":123456789012345678901234567890,"tiny":1e-400,"huge":1E+400,"zero":-0.0}`,
		`{"pair":"\ud83d\ude00","half":"\ud83d","other":"\ude00x","apart":"\ud83dx"}`, "{\"bytes\":\"\xff\xc3\"}",
	} {
		require.Equal(t, parsed(object), scanned(object), object)
		scan := rawjson.Scan(object)
		for ok := true; ok; _, _, ok = scan.Member() { //nolint:revive // to the end
		}
		require.Equal(t, rawjson.None, scan.Fault(), object)
	}
}

func TestScannerStopsWhereTextIsNoJSON(t *testing.T) {
	t.Parallel()
	for _, object := range []string{
		``, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":"`, `{"a":"\`, `{"a":[`, `{"a":{"b`, `{a:1}`, `{"a":x}`, `{"a" 1}`,
		`{,}`, `{"a":+1}`, `{"a":.5}`, `{"a":1e}`, `{"a":-}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"\u00g0"}`, "{\"a\":\"\n\"}",
		`{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":{"b":1,}}`, `{"a":NaN}`, `{"a":]}`, "\xef\xbb\xbf{}", `"{}"`, `[]`, `null`,
	} {
		scan := rawjson.Scan(object)
		_, _, ok := scan.Member()
		require.False(t, ok, object)
		require.Equal(t, rawjson.Invalid, scan.Fault(), object)
		_, _, ok = scan.Member()
		require.False(t, ok, object)
	}
	// What comes before the fault is read.
	for _, object := range []string{`{"a":1,`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":1`, `{"a":1}}`, `{"a":1} x`, `{"a":1]`, `{"a":1x}`, `{"a":1,"b":+1}`} {
		require.Equal(t, []seenMember{{"a", "1", ""}}, scanned(object), object)
		_, fault := rawjson.Check(object)
		require.Equal(t, rawjson.Invalid, fault, object)
	}
	for _, text := range []string{`01`, `{"a":01}`, `{"a":1.}`, `1 2`, `[]]`, "\x00", "{}\x00"} {
		_, fault := rawjson.Check(text)
		require.Equal(t, rawjson.Invalid, fault, text)
	}
}

func TestDepthHasALimit(t *testing.T) {
	t.Parallel()
	nested := func(open, closing string, depth int) string {
		return strings.Repeat(open, depth) + "1" + strings.Repeat(closing, depth)
	}
	for _, form := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
		_, fault := rawjson.Check(nested(form[0], form[1], rawjson.MaxDepth))
		require.Equal(t, rawjson.None, fault)
		_, fault = rawjson.Check(nested(form[0], form[1], rawjson.MaxDepth+1))
		require.Equal(t, rawjson.TooDeep, fault)
		_, fault = rawjson.Check(strings.Repeat(form[0], 1<<20))
		require.Equal(t, rawjson.TooDeep, fault, "and the stack stays small")
	}
	scan := rawjson.Scan(nested(`{"a":`, "}", rawjson.MaxDepth+1))
	_, _, ok := scan.Member()
	require.False(t, ok)
	require.Equal(t, rawjson.TooDeep, scan.Fault())
}

func TestNumbersAreToldApart(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][2]bool{ // whole, integral
		"0": {true, true}, "-7": {true, true}, "4.0": {true, false}, "4e2": {true, false}, "4.5": {false, false}, "1e-2": {false, false},
		"123456789012345678901234567890": {true, true}, "1e400": {false, false},
	} {
		scan := rawjson.Scan("[" + raw + "]")
		v, ok := scan.Element()
		require.True(t, ok)
		require.Equal(t, rawjson.Value{Kind: rawjson.Number, Raw: raw}, v)
		require.Equal(t, want, [2]bool{v.Whole(), v.Integral()}, raw)
	}
}

func TestElementsAreCounted(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int{`[]`: 0, `[ ]`: 0, `[[],[1,2],{"a":[3]}]`: 3, `["a,b"]`: 1, `{"a":1}`: 0, `"x"`: 0} {
		require.Equal(t, want, rawjson.Value{Raw: raw}.Len(), raw)
	}
}

// FuzzWalkAgreesWithTheStandardLibrary: the same texts are JSON, but for those nested too
// deep, and all members and elements of all levels are the same, repeated names too.
func FuzzWalkAgreesWithTheStandardLibrary(f *testing.F) {
	for _, seed := range []string{
		`{"item_id":"SKU-1","operation":"UPSERT","attributes":{"title":"A"}}`, `{"a":[1,-0.5e+7,true,false,null,"\u00e9\n"],"b":{}}`, `[]`, `"x`,
		"{\"a\":\"\x01\"}", `{"a":01}`, `{"a":1,}`, `-`, `1.`, `{"a" 1}`, `{"a":1,"a":2}`, "{\"\xff\":\"\xc3\"}", `{"\ud83d\ude00":"\ud83d","b":"\ude00"}`,
		`[1e400,123456789012345678901234567890,-0]`, `{"a":"x\"","b":[1,{"c":null}],"d":-1.5}`, strings.Repeat("[", 300), `[[["12345678\"9"]]]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const libraryDepth = 10000
		brackets := strings.Count(text, "[") + strings.Count(text, "{")
		if brackets > libraryDepth {
			return // the library has a limit of its own
		}
		_, fault := rawjson.Check(text)
		scanned(text) // ends, whatever comes
		requireNestedAgrees(t, text)
		switch {
		case fault == rawjson.TooDeep:
			require.Greater(t, brackets, rawjson.MaxDepth)
		case !json.Valid([]byte(text)):
			require.Equal(t, rawjson.Invalid, fault)
		default:
			require.Equal(t, rawjson.None, fault)
			requireSame(t, text)
		}
	})
}

// requireSame compares valid JSON on all its levels with what the standard library reads.
func requireSame(t *testing.T, text string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber() // a number may be too large for a float
	opening, err := decoder.Token()
	require.NoError(t, err)
	bracket, nested := opening.(json.Delim)
	if !nested {
		return
	}
	scan := rawjson.Scan(text)
	for decoder.More() {
		var v rawjson.Value
		var ok bool
		if bracket == '{' {
			var name rawjson.Value
			token, err := decoder.Token()
			require.NoError(t, err)
			name, v, ok = scan.Member()
			requireText(t, token, name)
		} else {
			v, ok = scan.Element()
		}
		require.True(t, ok, text)
		var raw json.RawMessage
		require.NoError(t, decoder.Decode(&raw))
		require.Equal(t, string(raw), v.Raw)
		switch v.Kind {
		case rawjson.String:
			var read string
			require.NoError(t, json.Unmarshal(raw, &read))
			requireText(t, read, v)
		case rawjson.Object, rawjson.Array:
			requireSame(t, v.Raw)
		case rawjson.Number:
			require.True(t, bytes.ContainsAny(raw[:1], "-0123456789"))
		case rawjson.Null:
			require.Equal(t, "null", v.Raw)
		case rawjson.Boolean:
			require.Contains(t, []string{"true", "false"}, v.Raw)
		case rawjson.Broken:
			t.Fatal("a broken value of", text)
		}
	}
	_, _, member := scan.Member()
	_, element := scan.Element()
	require.False(t, member || element, text)
	require.Equal(t, rawjson.None, scan.Fault(), text)
}

// requireText compares texts, but for bytes that are no UTF-8 and halves of pairs: each
// reader replaces so many of them by one U+FFFD.
func requireText(t *testing.T, want any, got rawjson.Value) {
	t.Helper()
	if text, ok := want.(string); !ok || !strings.Contains(text, "\uFFFD") {
		require.Equal(t, want, got.Text())
	}
}
