package mapping

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/itchyny/gojq"
)

const (
	jqTime    = 200 * time.Millisecond // for one program and one record: a busy machine needs some of it
	jqValue   = 1 << 20                // bytes of a text, and of all texts of a result
	jqMembers = 10_000                 // elements of a list, and values of a result
)

// program is a jq program. It sees a record and nothing outside of it: no environment, no
// files, no clock, so that the same record gives the same result.
type program struct{ code *gojq.Code }

// outside are functions whose result is not a matter of the record alone.
var outside = []string{"now", "localtime", "strflocaltime", "mktime", "input", "inputs", "input_filename", "input_line_number", "env", "debug", "stderr", "halt", "halt_error", "$ENV", "$__loc__"}

func compileJQ(text string) (*program, error) {
	if len(text) > 16<<10 {
		return nil, errors.New("the program is longer than 16 KiB")
	}
	query, err := gojq.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := restrict(reflect.ValueOf(query)); err != nil {
		return nil, err
	}
	code, err := gojq.Compile(query,
		gojq.WithEnvironLoader(func() []string { return nil }),
		gojq.WithFunction(boundedAdd, 2, 2, bounded(plain("$a + $b"))),
		gojq.WithFunction(boundedTimes, 2, 2, bounded(plain("$a * $b"))))
	if err != nil {
		return nil, err
	}
	return &program{code: code}, nil
}

const (
	boundedAdd   = "courier_add"
	boundedTimes = "courier_times"
)

// restrict refuses functions of the outside, and gives the two operators whose results
// grow fast a form that checks the size first: one instruction would otherwise take
// gigabytes before the deadline is looked at.
func restrict(value reflect.Value) error {
	switch value.Kind() { //nolint:exhaustive // the others hold no queries
	case reflect.Pointer:
		if value.IsNil() {
			return nil
		}
		if function, ok := reflect.TypeAssert[*gojq.Func](value); ok && slices.Contains(outside, function.Name) {
			return fmt.Errorf("%s is not available: a mapping must give the same result for the same record", function.Name)
		}
		if err := restrict(value.Elem()); err != nil {
			return err
		}
		if query, ok := reflect.TypeAssert[*gojq.Query](value); ok {
			switch query.Op { //nolint:exhaustive // the others do not grow
			case gojq.OpAdd:
				replaceOperator(query, boundedAdd)
			case gojq.OpMul:
				replaceOperator(query, boundedTimes)
			case gojq.OpUpdateAdd:
				replaceUpdate(query, boundedAdd)
			case gojq.OpUpdateMul:
				replaceUpdate(query, boundedTimes)
			}
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if !value.Type().Field(i).IsExported() {
				continue
			}
			if err := restrict(value.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			if err := restrict(value.Index(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func replaceOperator(query *gojq.Query, name string) {
	left, right := query.Left, query.Right
	query.Term = &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: []*gojq.Query{left, right}}}
	query.Left, query.Right, query.Op = nil, nil, 0
}

// replaceUpdate writes a += b as b as $x | a |= . + $x, which is what jq does.
func replaceUpdate(query *gojq.Query, name string) {
	const operand = "$courier_operand"
	function := func(name string, arguments ...*gojq.Query) *gojq.Query {
		return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: arguments}}}
	}
	update := &gojq.Query{
		Left: query.Left, Op: gojq.OpModify,
		Right: function(name, &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity}}, function(operand)),
	}
	*query = gojq.Query{
		Meta: query.Meta, Imports: query.Imports, FuncDefs: query.FuncDefs,
		Left: query.Right, Op: gojq.OpPipe, Right: update, Patterns: []*gojq.Pattern{{Name: operand}},
	}
}

func plain(text string) *gojq.Code {
	query, err := gojq.Parse(text)
	if err != nil {
		panic(err) // one of the two texts above
	}
	code, err := gojq.Compile(query, gojq.WithVariables([]string{"$a", "$b"}))
	if err != nil {
		panic(err)
	}
	return code
}

var errJQSize = errors.New("its values grow beyond 1 MiB of text or 10,000 elements")

func bounded(code *gojq.Code) func(any, []any) any {
	return func(_ any, operands []any) any {
		if extent(operands[0])+extent(operands[1]) > jqValue || repeats(operands[0], operands[1]) || repeats(operands[1], operands[0]) {
			return errJQSize
		}
		result, _ := code.Run(nil, operands...).Next()
		return result
	}
}

// extent is the size of the outermost value: bytes of a text, a hundred for an element.
func extent(value any) int {
	switch value := value.(type) {
	case string:
		return len(value)
	case []any:
		return len(value) * (jqValue / jqMembers)
	case map[string]any:
		return len(value) * (jqValue / jqMembers)
	default:
		return 0
	}
}

func repeats(text, times any) bool {
	value, ok := text.(string)
	if !ok || value == "" {
		return false
	}
	switch times := times.(type) {
	case int:
		return times > jqValue/len(value)
	case float64:
		return times > float64(jqValue/len(value))
	case fmt.Stringer: // json.Number, *big.Int: not a count that anybody means
		return true
	default:
		return false
	}
}

// run gives the only value that the program has for a record; nil where it has none.
func (p *program) run(record map[string]any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), jqTime)
	defer cancel()
	results := p.code.RunWithContext(ctx, record)
	value, ok := results.Next()
	if !ok {
		return nil, nil
	}
	if err, failed := value.(error); failed {
		return nil, jqError(err)
	}
	if next, more := results.Next(); more {
		if err, failed := next.(error); failed {
			return nil, jqError(err)
		}
		return nil, errors.New("it gives more than one value: collect them in [ ]")
	}
	size := 0
	if !measure(value, &size, 0) {
		return nil, errJQSize
	}
	return value, nil
}

func jqError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it takes longer than %s", jqTime)
	}
	return err
}

// measure adds up a result, and reports false beyond the limits.
func measure(value any, size *int, depth int) bool {
	*size += jqValue / jqMembers
	switch value := value.(type) {
	case string:
		*size += len(value)
	case []any:
		for _, element := range value {
			if depth > 32 || *size > jqValue || !measure(element, size, depth+1) {
				return false
			}
		}
	case map[string]any:
		for name, member := range value {
			*size += len(name)
			if depth > 32 || *size > jqValue || !measure(member, size, depth+1) {
				return false
			}
		}
	}
	return *size <= jqValue
}
