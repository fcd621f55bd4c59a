package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// filterCost bounds the work of one decision, in CEL's own units: a comparison costs a
// few, a loop over a list a few for each element.
const filterCost = 100_000

// filter decides about a record by a CEL expression. A field of the record is a variable;
// one that the record does not have is null, so that availability != "discontinued" is
// true where there is no availability.
type filter struct {
	program cel.Program
	fields  []string
	whole   bool // the expression names the record itself
}

// reserved are identifiers of CEL that are not fields.
var reserved = []string{"bool", "bytes", "double", "duration", "dyn", "int", "list", "map", "null_type", "optional_type", "string", "timestamp", "uint", "record", "cel", "google"}

// compileFilter compiles an expression that reads prices by a decimal mark, which may be set until
// the filter decides first.
func compileFilter(text string, decimal *byte) (*filter, error) {
	if len(text) > 4096 {
		return nil, errors.New("the expression is longer than 4,096 bytes")
	}
	number := cel.Function("number", cel.Overload("number_dyn", []*cel.Type{cel.DynType}, cel.DoubleType, cel.UnaryBinding(func(value ref.Val) ref.Val { return toNumber(value, *decimal) })))
	options := []cel.EnvOption{
		number, cel.CrossTypeNumericComparisons(true), cel.ParserRecursionLimit(50),
		cel.Variable("record", cel.MapType(cel.StringType, cel.DynType)),
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	compiled := &filter{}
	for _, node := range ast.MatchDescendants(ast.NavigateAST(parsed.NativeRep()), ast.KindMatcher(ast.IdentKind)) {
		name := node.AsIdent()
		compiled.whole = compiled.whole || name == "record"
		if strings.HasPrefix(name, "@") || strings.HasPrefix(name, ".") || slices.Contains(reserved, name) || slices.Contains(compiled.fields, name) {
			continue
		}
		compiled.fields = append(compiled.fields, name)
		options = append(options, cel.Variable(name, cel.DynType))
	}
	if env, err = cel.NewEnv(options...); err != nil {
		return nil, err
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if kind := checked.OutputType(); kind != cel.BoolType && kind != cel.DynType {
		return nil, fmt.Errorf("the expression gives %s and must be true or false", kind)
	}
	compiled.program, err = env.Program(checked, cel.CostLimit(filterCost))
	return compiled, err
}

func (f *filter) decide(record map[string]any) (bool, error) {
	variables := make(map[string]any, len(f.fields)+1)
	for _, name := range f.fields {
		variables[name] = forCEL(record[name])
	}
	if f.whole {
		variables["record"] = forCEL(record)
	}
	result, _, err := f.program.Eval(variables)
	if err != nil {
		return false, err
	}
	decision, ok := result.Value().(bool)
	if !ok {
		return false, fmt.Errorf("the expression gives %v and must be true or false", result.Type())
	}
	return decision, nil
}

// forCEL gives CEL values it knows: it has no json.Number.
func forCEL(value any) any {
	switch value := value.(type) {
	case nil:
		return types.NullValue
	case json.Number:
		if n, err := value.Int64(); err == nil {
			return n
		}
		n, err := value.Float64()
		if err != nil {
			return value.String()
		}
		return n
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = forCEL(element)
		}
		return list
	case map[string]any:
		members := make(map[string]any, len(value))
		for name, member := range value {
			members[name] = forCEL(member)
		}
		return members
	default:
		return value
	}
}

// toNumber reads a number or the amount of a price out of text, because feeds hold text. What
// is not there is NaN, which is neither smaller nor larger than anything. A text that is no
// number is an error: a filter that left such items out would delete them.
func toNumber(value ref.Val, decimal byte) ref.Val {
	switch value := value.(type) {
	case types.Double:
		return value
	case types.Int:
		return types.Double(value)
	case types.String:
		text := strings.TrimSpace(string(value))
		if text == "" {
			break
		}
		n, err := readNumber(text, decimal)
		if err != nil {
			return types.NewErr("number(%q): it is neither a number nor a price that can be read in one way", legible.Clip(text, valueWidth))
		}
		return types.Double(n)
	}
	return types.Double(math.NaN())
}

// plainNumber is a number with a point as programs write it. What else strconv reads is not meant as
// one: nan and inf are words of broken exports.
var plainNumber = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

func readNumber(text string, decimal byte) (float64, error) {
	if plainNumber.MatchString(text) && (decimal != ',' || !strings.Contains(text, ".")) {
		return strconv.ParseFloat(text, 64)
	}
	sign := 1.0
	if decimal == ',' && plainNumber.MatchString(text) {
		if negative, ok := strings.CutPrefix(text, "-"); ok {
			sign, text = -1, negative
		}
		text = strings.TrimPrefix(text, "+")
	}
	const anyCurrency = "EUR" // only the amount counts
	found, err := parsePrice(text, decimal, anyCurrency)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(found.amount, 64)
	return sign * n, err
}
