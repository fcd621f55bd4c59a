package rules

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

type seenMember struct{ name, raw, plain string }

func scanned(object string) (members []seenMember) {
	scan := within(object)
	for {
		name, v, ok := scan.member()
		if !ok {
			return members
		}
		members = append(members, seenMember{name.plain(), v.raw, v.plain()})
	}
}

// parsed is the same with the decoder that the encoders use.
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
	} {
		require.Equal(t, parsed(object), scanned(object), object)
	}
}

func TestScannerStopsWhereTextIsNoJSON(t *testing.T) {
	t.Parallel()
	for _, object := range []string{``, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":"`, `{"a":"\`, `{"a":[`, `{"a":{"b`, `{a:1}`, `{"a":x}`, `{"a" 1}`} {
		require.Empty(t, scanned(object), object)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(`{"a":"x\"","b":[1,{"c":null}],"d":-1.5}`))
	f.Add([]byte(`{"a":"`))
	f.Fuzz(func(t *testing.T, object []byte) {
		members := scanned(string(object)) // ends, whatever comes
		var decoded map[string]json.RawMessage
		if json.Unmarshal(object, &decoded) == nil && decoded != nil {
			require.Equal(t, parsed(string(object)), members)
		}
	})
}
