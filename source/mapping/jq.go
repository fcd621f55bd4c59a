package mapping

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/itchyny/gojq"
)

// Limits of one program and one record. The first three depend on the program and the record
// only, so that the same record gives the same result; the time is for what they let pass.
const (
	jqSteps   = 500_000  // instructions
	jqBudget  = 64 << 20 // bytes of values that its instructions read
	jqValue   = 1 << 20  // bytes of a value
	jqMembers = 10_000   // values inside a value
	jqDepth   = 64       // of values inside one another
	jqTime    = 5 * time.Second
)

var (
	errJQSize  = errors.New("its values grow beyond 1 MiB of text or 10,000 elements")
	errJQWork  = errors.New("its instructions read more than 64 MiB of values")
	errJQSteps = errors.New("it takes more than 500,000 instructions")
)

// program is a jq program. It sees a record and nothing outside of it: no environment, no
// files, no clock, so that the same record gives the same result.
type program struct {
	query *gojq.Query
	ready sync.Pool // of *instance
}

// instance is a compiled program with the budget that its functions spend. It is used for
// one record at a time.
type instance struct {
	budget
	code *gojq.Code
}

func compileJQ(text string) (*program, error) {
	if len(text) > 16<<10 {
		return nil, errors.New("the program is longer than 16 KiB")
	}
	query, err := gojq.Parse(text)
	if err != nil {
		return nil, err
	}
	if query, err = guarded(query); err != nil {
		return nil, err
	}
	compiled := &program{query: query}
	first, err := compiled.instance()
	if err != nil {
		return nil, err
	}
	compiled.ready.Put(first)
	return compiled, nil
}

func (p *program) instance() (*instance, error) {
	made := &instance{}
	code, err := gojq.Compile(p.query, append(made.functions(), gojq.WithEnvironLoader(func() []string { return nil }))...)
	made.code = code
	return made, err
}

// run gives the only value that the program has for a record; nil where it has none.
func (p *program) run(record map[string]any) (any, error) {
	made, ok := p.ready.Get().(*instance)
	if !ok {
		var err error
		if made, err = p.instance(); err != nil {
			return nil, err
		}
	}
	made.spent = 0
	value, err := made.run(record)
	p.ready.Put(made)
	return value, err
}

func (i *instance) run(record map[string]any) (any, error) {
	ctx := &steps{end: time.Now().Add(jqTime)}
	results := i.code.RunWithContext(ctx, record)
	value, ok := results.Next()
	if !ok {
		return nil, nil
	}
	if err, failed := value.(error); failed {
		return nil, legibleJQ(err)
	}
	if next, more := results.Next(); more {
		if err, failed := next.(error); failed {
			return nil, legibleJQ(err)
		}
		return nil, errors.New("it gives more than one value: collect them in [ ]")
	}
	if size := 0; !measure(value, &size, 0) {
		return nil, errJQSize
	}
	return value, nil
}

// legibleJQ bounds the text of an error: that of error(value) holds the value.
func legibleJQ(err error) error {
	var own gojq.ValueError
	if !errors.As(err, &own) {
		return err
	}
	if size := 0; !measure(own.Value(), &size, 0) {
		return errors.New("error: a value that is too large")
	}
	return errors.New("error: " + show(own.Value()))
}

// steps is a context that ends after so many looks at it: the interpreter looks before each
// instruction.
type steps struct {
	taken int
	end   time.Time
	err   error
}

var ended = func() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}()

func (s *steps) Done() <-chan struct{} {
	switch s.taken++; {
	case s.err != nil:
	case s.taken > jqSteps:
		s.err = errJQSteps
	case s.taken%64 == 0 && time.Now().After(s.end):
		s.err = fmt.Errorf("it takes longer than %s", jqTime)
	default:
		return nil
	}
	return ended
}

func (s *steps) Err() error                  { return s.err }
func (s *steps) Deadline() (time.Time, bool) { return s.end, true }
func (s *steps) Value(any) any               { return nil }

var _ context.Context = (*steps)(nil)
