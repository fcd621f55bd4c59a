package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/itchyny/gojq"
)

// budget is what a run of a jq program has spent of jqBudget.
type budget struct {
	spent    int
	patterns map[string]expression
}

func (b *budget) spend(bytes int) error {
	if b.spent += bytes; b.spent > jqBudget {
		return errJQWork
	}
	return nil
}

// valueSize is the least that a value counts for, in bytes.
const valueSize = jqValue / jqMembers

// measure adds up a value, and reports false beyond the limits. A part that is in several
// places counts for each of them.
func measure(value any, size *int, depth int) bool {
	*size += valueSize
	switch value := value.(type) {
	case string:
		*size += len(value)
	case json.Number:
		*size += len(value)
	case *big.Int:
		*size += value.BitLen() / 2 // its digits, and the work to make them
	case []any:
		for _, element := range value {
			if depth > jqDepth || *size > jqValue || !measure(element, size, depth+1) {
				return false
			}
		}
	case map[string]any:
		for name, member := range value {
			*size += len(name)
			if depth > jqDepth || *size > jqValue || !measure(member, size, depth+1) {
				return false
			}
		}
	}
	return *size <= jqValue
}

// check refuses values that are too large for an instruction which reads all of it.
func (b *budget) check(value any) error {
	size := 0
	if !measure(value, &size, 0) {
		return errJQSize
	}
	return b.spend(size - valueSize)
}

// Names of the functions that [guarded] puts into programs. Each gives its input.
const (
	guardValue  = "courier_value"  // before an instruction that reads all of a value
	guardWide   = "courier_wide"   // before one whose result is larger than the value
	guardPairs  = "courier_pairs"  // before one that compares each element with each
	guardNumber = "courier_number" // before tonumber
	guardEach   = "courier_each"   // before .[]
	guardIndex  = "courier_index"  // of what is between brackets
	guardPath   = "courier_path"   // of the argument of setpath
	guardJoin   = "courier_join"   // with the separator
	boundedAdd  = "courier_add"
	boundedMul  = "courier_times"
	findAll     = "courier_match" // match, without the square of the text's length
)

func (b *budget) functions() []gojq.CompilerOption {
	guard := func(name string, check func(any) error) gojq.CompilerOption {
		return gojq.WithFunction(name, 0, 0, func(input any, _ []any) any {
			if err := check(input); err != nil {
				return err
			}
			return input
		})
	}
	return []gojq.CompilerOption{
		guard(guardValue, b.check),
		guard(guardWide, b.wide),
		guard(guardPairs, b.pairs),
		guard(guardEach, b.each),
		guard(guardNumber, checkNumber),
		guard(guardIndex, checkIndex),
		guard(guardPath, b.path),
		gojq.WithFunction(guardJoin, 1, 1, func(input any, arguments []any) any {
			if err := b.join(input, arguments[0]); err != nil {
				return err
			}
			return input
		}),
		gojq.WithFunction(boundedAdd, 2, 2, b.bounded(plainAdd)),
		gojq.WithFunction(boundedMul, 2, 2, b.bounded(plainTimes)),
		gojq.WithFunction(findAll, 3, 3, func(input any, arguments []any) any {
			return b.match(input, arguments[0], arguments[1], arguments[2] == true)
		}),
	}
}

func (b *budget) wide(value any) error {
	if _, isNumber := value.(int); isNumber {
		return nil
	}
	size := 0
	if !measure(value, &size, 0) || size > jqValue/2 {
		return errJQSize
	}
	return b.spend(16 * (size - valueSize))
}

func (b *budget) pairs(value any) error {
	if list, ok := value.([]any); ok && len(list) > 1000 {
		return errors.New("it compares more than 1,000 elements with each other")
	}
	return b.check(value)
}

func (b *budget) each(value any) error {
	switch value := value.(type) {
	case []any:
		return b.spend(40 * len(value))
	case map[string]any:
		return b.spend(100 * len(value))
	default:
		return nil
	}
}

// checkNumber bounds the digits: reading a million of them takes seconds.
func checkNumber(value any) error {
	if text, ok := value.(string); ok && len(text) > 1000 {
		return errors.New("a number must not be longer than 1,000 digits")
	}
	return nil
}

func checkIndex(value any) error {
	switch value := value.(type) {
	case []any, map[string]any:
		return errors.New("an index must be a number or a text")
	case int:
		if value > jqMembers {
			return errJQSize
		}
	case float64:
		if !(value <= jqMembers) {
			return errJQSize
		}
	case *big.Int:
		return errJQSize
	case fmt.Stringer: // a number with its digits
		return checkIndex(gojqNumber(value.String()))
	}
	return nil
}

func gojqNumber(text string) any {
	var number float64
	if _, err := fmt.Sscan(text, &number); err != nil {
		return math.Inf(1)
	}
	return number
}

func (b *budget) path(value any) error {
	steps, ok := value.([]any)
	if !ok || len(steps) > jqDepth {
		return errors.New("a path must be a list of at most 64 indexes")
	}
	for _, step := range steps {
		if err := checkIndex(step); err != nil {
			return err
		}
	}
	return nil
}

func (b *budget) join(value, separator any) error {
	list, ok := value.([]any)
	text, isText := separator.(string)
	if ok && isText && len(text) > 0 && len(list) > jqValue/len(text) {
		return errJQSize
	}
	return b.check(value)
}

var (
	plainAdd   = plain("$a + $b")
	plainTimes = plain("$a * $b")
)

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

func (b *budget) bounded(code *gojq.Code) func(any, []any) any {
	return func(_ any, operands []any) any {
		left, leftText := operands[0].(string)
		right, rightText := operands[1].(string)
		if leftText && rightText && code == plainAdd {
			if len(left)+len(right) > jqValue {
				return errJQSize
			}
			if err := b.spend(len(left) + len(right)); err != nil {
				return err
			}
			return left + right
		}
		sum := 0
		if !measure(operands[0], &sum, 0) || !measure(operands[1], &sum, 0) || repeats(operands[0], operands[1]) || repeats(operands[1], operands[0]) {
			return errJQSize
		}
		if err := b.spend(sum - 2*valueSize); err != nil {
			return err
		}
		result, _ := code.Run(nil, operands...).Next()
		if text, ok := result.(string); ok {
			if err := b.spend(len(text)); err != nil {
				return err
			}
		}
		return result
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
