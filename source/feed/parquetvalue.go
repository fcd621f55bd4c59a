package feed

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetNode is one node of a file's schema, with lists and maps recognized.
type parquetNode struct {
	name     string
	optional bool
	repeated bool
	list     bool // a group around a repeated group around the element
	keyed    bool // a group around repeated pairs of key and value
	leaf     parquet.Type
	children []*parquetNode
	leaves   int // columns below, or 1
}

// parquetTree describes a schema. It also counts the columns.
func parquetTree(schema *parquet.Schema) (*parquetNode, int) {
	root := parquetBranch("", schema)
	root.optional, root.repeated = false, false
	return root, root.leaves
}

func parquetBranch(name string, node parquet.Node) *parquetNode {
	n := &parquetNode{name: name, optional: node.Optional(), repeated: node.Repeated()}
	if node.Leaf() {
		n.leaf, n.leaves = node.Type(), 1
		return n
	}
	for _, field := range node.Fields() {
		child := parquetBranch(field.Name(), field)
		n.children = append(n.children, child)
		n.leaves += child.leaves
	}
	if len(n.children) != 1 || !n.children[0].repeated {
		return n
	}
	inner := n.children[0]
	switch logical(node.Type()).(type) {
	case *format.MapType:
		n.keyed = len(inner.children) == 2
	case *format.ListType:
		n.list = true
	default:
		n.list = inner.name == "list" || inner.name == "bag" || inner.name == "array"
		n.keyed = inner.name == "key_value" && len(inner.children) == 2
	}
	return n
}

func logical(t parquet.Type) format.LogicalTypeValue {
	if of := t.LogicalType(); of != nil {
		return of.Value
	}
	return nil
}

var errLevels = errors.New("a row does not have a value in each column")

// assemble puts a row's columns together.
func (p *parquetSource) assemble(row parquet.Row, place Place) (any, error) {
	columns := make([][]parquet.Value, p.leaves)
	row.Range(func(i int, values []parquet.Value) bool {
		if i < len(columns) {
			columns[i] = values
		}
		return true
	})
	return p.value(p.root, columns, 0, 0, place)
}

// value builds what a node holds. Definition levels say where a value is absent,
// repetition levels where the next element of a list begins.
func (p *parquetSource) value(n *parquetNode, columns [][]parquet.Value, definition, repetition int, place Place) (any, error) {
	if len(columns) == 0 || len(columns[0]) == 0 {
		return nil, errLevels
	}
	if n.optional {
		if definition++; columns[0][0].DefinitionLevel() < definition {
			return nil, nil //nolint:nilnil // there is no value
		}
	}
	if n.repeated {
		return p.elements(n, columns, definition+1, repetition+1, place)
	}
	return p.content(n, columns, definition, repetition, place)
}

// elements builds a list. The definition level is that of an element.
func (p *parquetSource) elements(n *parquetNode, columns [][]parquet.Value, definition, repetition int, place Place) (any, error) {
	if columns[0][0].DefinitionLevel() < definition {
		return nil, nil //nolint:nilnil // the list is empty
	}
	var list []any
	from := make([]int, len(columns))
	for from[0] < len(columns[0]) {
		one := make([][]parquet.Value, len(columns))
		for i, column := range columns {
			end := from[i] + 1
			for end < len(column) && column[end].RepetitionLevel() > repetition {
				end++
			}
			if end > len(column) {
				return nil, errLevels
			}
			one[i], from[i] = column[from[i]:end], end
		}
		value, err := p.content(n, one, definition, repetition, place)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// content builds a node's value, without its own optional or repeated level.
func (p *parquetSource) content(n *parquetNode, columns [][]parquet.Value, definition, repetition int, place Place) (any, error) {
	switch {
	case n.leaf != nil:
		return p.leaf(n, columns[0][0], place), nil
	case n.list, n.keyed:
		inner, err := p.value(n.children[0], columns, definition, repetition, place)
		list, _ := inner.([]any)
		if err != nil || list == nil {
			return nil, err
		}
		return unwrap(n, list), nil
	}
	object := make(map[string]any, len(n.children))
	at := 0
	for _, child := range n.children {
		value, err := p.value(child, columns[at:at+child.leaves], definition, repetition, place)
		if err != nil {
			return nil, err
		}
		at += child.leaves
		if value != nil {
			object[child.name] = value
		}
	}
	return object, nil
}

// unwrap removes the group around each element of a list, and makes a map of pairs.
func unwrap(n *parquetNode, list []any) any {
	inner := n.children[0]
	if n.keyed {
		object := map[string]any{}
		for _, pair := range list {
			pair, _ := pair.(map[string]any)
			switch name := pair[inner.children[0].name].(type) {
			case string:
				object[name] = pair[inner.children[1].name]
			case json.Number:
				object[name.String()] = pair[inner.children[1].name]
			}
		}
		return object
	}
	if inner.leaf == nil && len(inner.children) == 1 {
		for i, element := range list {
			wrapped, _ := element.(map[string]any)
			list[i] = wrapped[inner.children[0].name]
		}
	}
	return list
}

// leaf makes text, a number or a truth value of a column's value. Times are as in
// RFC 3339, decimals keep their digits.
func (p *parquetSource) leaf(n *parquetNode, v parquet.Value, place Place) any {
	if v.IsNull() {
		return nil
	}
	switch of := logical(n.leaf).(type) {
	case *format.DecimalType:
		return decimal(v, int(of.Scale))
	case *format.DateType:
		return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly)
	case *format.TimestampType:
		if of.Unit.Value == nil {
			return nil
		}
		unit := of.Unit.Value.Duration()
		perSecond := int64(time.Second / unit)
		seconds, rest := v.Int64()/perSecond, v.Int64()%perSecond
		layout := time.RFC3339Nano
		if !of.IsAdjustedToUTC {
			layout = strings.TrimSuffix(layout, "Z07:00")
		}
		return time.Unix(seconds, rest*int64(unit)).UTC().Format(layout)
	case *format.IntType:
		if !of.IsSigned {
			return unsigned(v)
		}
	case *format.JsonType:
		text := string(v.ByteArray())
		if value, ok := decodeJSON(text); ok {
			return value
		}
		p.session.find(KindNested, place, n.name, text, "the column is JSON and the value is not: it was read as text")
		return text
	case *format.UUIDType:
		if b := v.ByteArray(); len(b) == 16 {
			h := hex.EncodeToString(b)
			return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
		}
	}
	return physical(v)
}

func physical(v parquet.Value) any {
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Int32:
		return json.Number(strconv.FormatInt(int64(v.Int32()), 10))
	case parquet.Int64:
		return json.Number(strconv.FormatInt(v.Int64(), 10))
	case parquet.Float:
		return float(float64(v.Float()), 32)
	case parquet.Double:
		return float(v.Double(), 64)
	case parquet.Int96: // times of old writers: nanoseconds of a day, and a Julian day
		t := v.Int96()
		nanoseconds := int64(t[1])<<32 | int64(t[0])
		return time.Unix((int64(t[2])-2440588)*86400, nanoseconds).UTC().Format(time.RFC3339Nano)
	default:
		return strings.ToValidUTF8(string(v.ByteArray()), replacement)
	}
}

func unsigned(v parquet.Value) any {
	if v.Kind() == parquet.Int32 {
		return json.Number(strconv.FormatUint(uint64(v.Uint32()), 10))
	}
	return json.Number(strconv.FormatUint(v.Uint64(), 10))
}

// float is nil for what is not a number.
func float(value float64, bits int) any {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil
	}
	return json.Number(strconv.FormatFloat(value, 'f', -1, bits))
}

// decimal writes a number with the point where the column's type says.
func decimal(v parquet.Value, scale int) any {
	var number big.Int
	switch v.Kind() {
	case parquet.Int32:
		number.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		number.SetInt64(v.Int64())
	default: // big-endian two's complement
		b := v.ByteArray()
		number.SetBytes(b)
		if len(b) > 0 && b[0]&0x80 != 0 {
			number.Sub(&number, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
		}
	}
	if scale <= 0 || scale > 1000 {
		return json.Number(number.String())
	}
	digits := new(big.Int).Abs(&number).String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	sign := ""
	if number.Sign() < 0 {
		sign = "-"
	}
	return json.Number(sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:])
}
