package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// outside are functions whose result is not a matter of the record alone.
var outside = []string{
	"now", "localtime", "strflocaltime", "mktime", "input", "inputs", "input_filename", "input_line_number", "env", "debug", "stderr",
	"halt", "halt_error", "$ENV", "$__loc__", "modulemeta", "builtins", "get_search_list",
}

// Functions that programs may call. What reads all of a value gets a guard before it: the
// interpreter looks at its limits between instructions only, and one of them can otherwise
// take minutes or all memory (a value that holds another twice, sixty times over, is small
// until it becomes a text).
var (
	// free read a little of their input.
	free = []string{
		"empty", "not", "select", "recurse", "while", "until", "repeat", "range", "first", "last", "isempty", "limit", "skip", "type", "length", "abs",
		"arrays", "objects", "iterables", "booleans", "numbers", "finites", "normals", "strings", "nulls", "values", "scalars",
		"isfinite", "isinfinite", "isnan", "isnormal", "infinite", "nan", "error", "true", "false", "null",
	}
	// reading read all of their input and arguments, and give no more than that.
	reading = []string{
		"keys", "has", "add", "toboolean", "reverse", "startswith", "endswith", "ltrimstr", "rtrimstr", "trimstr", "ltrim", "rtrim", "trim",
		"ascii_downcase", "ascii_upcase", "min", "max", "sort", "unique", "utf8bytelength", "getpath", "flatten",
		"floor", "round", "ceil", "trunc", "fabs", "sqrt", "cbrt", "pow", "log", "log2", "log10", "exp", "exp2", "exp10", "fmin", "fmax", "fmod",
		"gmtime", "strptime", "fromdate", "fromdateiso8601", "todate", "todateiso8601", "nth", "in",
	}
	// widening give more than they read.
	widening = []string{"tostring", "tojson", "fromjson", "explode", "implode", "split", "format", "strftime"}
	// pairing compare each element with each.
	pairing = []string{"contains", "inside", "indices", "index", "rindex"}
	// inner are called by the library below only.
	inner = []string{"path", "delpaths", "_min_by", "_max_by", "_sort_by", "_group_by", "_unique_by", "_captures", findAll}
)

// library has jq's own functions that are written in jq, for their guards to be inside them.
const library = `
def map(f): [.[] | f];
def map_values(f): .[] |= f;
def add(f): [f] | add;
def to_entries: [keys[] as $k | {key: $k, value: .[$k]}];
def from_entries: map({(.key // .Key // .name // .Name): (if has("value") then .value else .Value end)}) | add // {};
def with_entries(f): to_entries | map(f) | from_entries;
def min_by(f): _min_by(map([f]));
def max_by(f): _max_by(map([f]));
def sort_by(f): _sort_by(map([f]));
def group_by(f): _group_by(map([f]));
def unique_by(f): _unique_by(map([f]));
def walk(f): def _walk: if type == "array" then map(_walk) elif type == "object" then map_values(_walk) else . end | f; _walk;
def any(g; y): isempty(first(g | y | select(.))) | not;
def any(f): any(.[]; f);
def any: any(.);
def all(g; y): isempty(first(g | y | select(. | not)));
def all(f): all(.[]; f);
def all: all(.);
def del(f): delpaths([path(f)]);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] = $row);
def INDEX(f): INDEX(.[]; f);
def match($re; $flags): courier_match($re; $flags; false)[];
def match($re): if $re | type == "array" then match($re[0]; $re[1]) else match($re; null) end;
def test($re; $flags): courier_match($re; $flags; true);
def test($re): if $re | type == "array" then test($re[0]; $re[1]) else test($re; null) end;
def capture($re; $flags): match($re; $flags) | .captures | _captures;
def capture($re): capture($re; null);
def scan($re; $flags): match($re; $flags + "g") | if .captures == [] then .string else [.captures[].string] end;
def scan($re): scan($re; null);
def splits($re; $flags): . as $s | foreach (match($re; $flags + "g"), null) as {$offset, $length} (null; {start: .next, end: $offset, next: ($offset + $length)}) | . as $at | $s[$at.start:$at.end];
def splits($re): splits($re; null);
def split($re; $flags): [splits($re; $flags)];
def sub($re; str; $flags):
  reduce match($re; $flags) as {$offset, $length, $captures} ({s: ., r: []};
    reduce ($captures | _captures | str) as $s (.i = 0; .r[.i] += .s[.next:$offset] + $s | .i += 1) | .next = $offset + $length)
  | .r[] + .s[.next:] // .s;
def sub($re; str): sub($re; str; null);
def gsub($re; str; $flags): sub($re; str; $flags + "g");
def gsub($re; str): sub($re; str; "g");
`

var libraryFunctions = func() []*gojq.FuncDef {
	parsed, err := gojq.Parse(library + ".")
	if err != nil {
		panic(err) // the text above
	}
	g := &guards{isLibrary: true, own: map[string]bool{}}
	g.names(parsed)
	if err := g.visit(reflect.ValueOf(parsed)); err != nil {
		panic(err)
	}
	return parsed.FuncDefs
}()

// guarded refuses what is not in the lists above, and puts guards before the instructions
// of a program that read whole values.
func guarded(query *gojq.Query) (*gojq.Query, error) {
	if len(query.Imports) > 0 || query.Meta != nil {
		return nil, errors.New("import and include are not available: a mapping is one file")
	}
	g := &guards{library: libraryFunctions, own: map[string]bool{}}
	g.names(query)
	for _, name := range g.defined {
		if g.builtin(name) {
			return nil, fmt.Errorf("%s is a function of jq: give yours another name", name)
		}
	}
	if err := g.visit(reflect.ValueOf(query)); err != nil {
		return nil, err
	}
	return &gojq.Query{FuncDefs: libraryFunctions, Term: &gojq.Term{Type: gojq.TermTypeQuery, Query: query}}, nil
}

type guards struct {
	isLibrary bool
	library   []*gojq.FuncDef // that the program may call
	own       map[string]bool // functions and parameters that the program defines
	defined   []string        // the same without the marks of variables
}

// names collects what a program defines.
func (g *guards) names(query *gojq.Query) {
	each(reflect.ValueOf(query), func(value any) {
		if definition, ok := value.(*gojq.FuncDef); ok {
			for _, name := range append([]string{definition.Name}, definition.Args...) {
				name = strings.TrimPrefix(name, "$")
				g.own[name] = true
				g.defined = append(g.defined, name)
			}
		}
	})
}

func (g *guards) builtin(name string) bool {
	if strings.HasPrefix(name, "courier_") || strings.HasPrefix(name, "_") {
		return true
	}
	for _, list := range [][]string{free, reading, widening, pairing, inner, {"join", "setpath", "tonumber"}} {
		if slices.Contains(list, name) {
			return true
		}
	}
	return g.inLibrary(name)
}

func (g *guards) inLibrary(name string) bool {
	return slices.ContainsFunc(g.library, func(f *gojq.FuncDef) bool { return f.Name == name })
}

// each calls visit for all nodes of a program.
func each(value reflect.Value, visit func(any)) {
	switch value.Kind() { //nolint:exhaustive // the others hold no nodes
	case reflect.Pointer:
		if !value.IsNil() {
			visit(value.Interface())
			each(value.Elem(), visit)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				each(value.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			each(value.Index(i), visit)
		}
	}
}

// visit changes the inner nodes before the outer ones.
func (g *guards) visit(value reflect.Value) error {
	switch value.Kind() { //nolint:exhaustive // the others hold no nodes
	case reflect.Pointer:
		if value.IsNil() {
			return nil
		}
		if query, ok := reflect.TypeAssert[*gojq.Query](value); ok && updates(query.Op) && !g.isLibrary {
			if err := simplePath(query.Left); err != nil {
				return err
			}
		}
		if call, ok := reflect.TypeAssert[*gojq.Func](value); ok && call.Name == "del" && len(call.Args) == 1 {
			if err := simplePath(call.Args[0]); err != nil {
				return err
			}
		}
		if err := g.visit(value.Elem()); err != nil {
			return err
		}
		return g.change(value.Interface())
	case reflect.Struct:
		for i := range value.NumField() {
			if !value.Type().Field(i).IsExported() {
				continue
			}
			if err := g.visit(value.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			if err := g.visit(value.Index(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func updates(op gojq.Operator) bool { return op >= gojq.OpAssign && op <= gojq.OpUpdateAlt }

// simplePath allows names, indexes, .[], select and what joins them to the left of an
// assignment: a path without end would be kept until memory ends.
func simplePath(query *gojq.Query) error {
	var refused error
	each(reflect.ValueOf(query), func(node any) {
		switch node := node.(type) {
		case *gojq.Func:
			if !slices.Contains([]string{"select", "first", "last", "empty"}, node.Name) && !strings.HasPrefix(node.Name, "$") && !isReading(node.Name) {
				refused = fmt.Errorf("%s is not available in the path of an assignment or of del", node.Name)
			}
		case *gojq.Term:
			if node.Type == gojq.TermTypeRecurse || node.Type == gojq.TermTypeReduce || node.Type == gojq.TermTypeForeach {
				refused = errors.New("loops are not available in the path of an assignment or of del")
			}
		case *gojq.FuncDef:
			refused = errors.New("functions cannot be defined in the path of an assignment or of del")
		}
	})
	return refused
}

// isReading reports whether a function can only be part of a condition.
func isReading(name string) bool {
	return slices.Contains(reading, name) && name != "getpath" && name != "nth" || slices.Contains(widening, name) || slices.Contains(pairing, name) ||
		slices.Contains([]string{"tonumber", "test", "not", "type", "length", "any", "all", "IN"}, name)
}

func (g *guards) change(node any) error {
	switch node := node.(type) {
	case *gojq.Query:
		g.operator(node)
	case *gojq.Term:
		return g.term(node)
	case *gojq.String:
		for i, part := range node.Queries {
			if part.Term == nil || part.Term.Str == nil {
				node.Queries[i] = &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeQuery, Query: pipe(part, call(guardWide))}}
			}
		}
	case *gojq.Index:
		guardIndexes(node)
	case *gojq.PatternObject:
		if node.KeyQuery != nil {
			node.KeyQuery = pipe(node.KeyQuery, call(guardIndex))
		}
	}
	return nil
}

func guardIndexes(index *gojq.Index) {
	for _, at := range []**gojq.Query{&index.Start, &index.End} {
		if *at != nil {
			*at = pipe(*at, call(guardIndex))
		}
	}
}

func (g *guards) operator(query *gojq.Query) {
	switch query.Op { //nolint:exhaustive // the others read no whole values
	case gojq.OpAdd:
		replaceOperator(query, boundedAdd)
	case gojq.OpMul:
		replaceOperator(query, boundedMul)
	case gojq.OpSub:
		query.Left, query.Right = pipe(query.Left, call(guardPairs)), pipe(query.Right, call(guardPairs))
	case gojq.OpDiv:
		query.Left, query.Right = pipe(query.Left, call(guardWide)), pipe(query.Right, call(guardWide))
	case gojq.OpMod, gojq.OpEq, gojq.OpNe, gojq.OpGt, gojq.OpLt, gojq.OpGe, gojq.OpLe:
		query.Left, query.Right = pipe(query.Left, call(guardValue)), pipe(query.Right, call(guardValue))
	case gojq.OpAssign, gojq.OpModify:
		guardInput(query)
	case gojq.OpUpdateAdd:
		replaceUpdate(query, gojq.OpAdd)
	case gojq.OpUpdateMul:
		replaceUpdate(query, gojq.OpMul)
	case gojq.OpUpdateSub:
		replaceUpdate(query, gojq.OpSub)
	case gojq.OpUpdateDiv:
		replaceUpdate(query, gojq.OpDiv)
	case gojq.OpUpdateMod:
		replaceUpdate(query, gojq.OpMod)
	case gojq.OpUpdateAlt:
		guardInput(query)
	}
}

// guardInput checks the value that is changed: it is copied.
func guardInput(query *gojq.Query) {
	inner := *query
	inner.FuncDefs = nil
	*query = gojq.Query{FuncDefs: query.FuncDefs, Left: call(guardValue), Op: gojq.OpPipe, Right: &inner}
}

func replaceOperator(query *gojq.Query, name string) {
	left, right := query.Left, query.Right
	query.Term = call(name, left, right).Term
	query.Left, query.Right, query.Op = nil, nil, 0
}

// replaceUpdate writes a += b as b as $x | a |= . + $x, which is what jq does.
func replaceUpdate(query *gojq.Query, op gojq.Operator) {
	const operand = "$courier_operand"
	changed := &gojq.Query{Left: identity(), Op: op, Right: call(operand)}
	(&guards{}).operator(changed)
	update := &gojq.Query{Left: query.Left, Op: gojq.OpModify, Right: changed}
	guardInput(update)
	*query = gojq.Query{FuncDefs: query.FuncDefs, Left: query.Right, Op: gojq.OpPipe, Right: update, Patterns: []*gojq.Pattern{{Name: operand}}}
}

// term guards calls, formats and .[].
func (g *guards) term(term *gojq.Term) error {
	suffixes := term.SuffixList
	switch term.Type { //nolint:exhaustive // the others read no whole values
	case gojq.TermTypeRecurse:
		*term = gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "recurse"}, SuffixList: suffixes}
	case gojq.TermTypeFormat:
		if term.Str == nil {
			inner := *term
			inner.SuffixList = nil
			*term = gojq.Term{Type: gojq.TermTypeQuery, Query: pipe(call(guardWide), &gojq.Query{Term: &inner}), SuffixList: suffixes}
		}
	case gojq.TermTypeUnary:
	case gojq.TermTypeIndex:
		if term.Index.IsSlice {
			inner := *term
			inner.SuffixList = nil
			*term = gojq.Term{Type: gojq.TermTypeQuery, Query: pipe(call(guardValue), &gojq.Query{Term: &inner}), SuffixList: suffixes}
		}
	case gojq.TermTypeFunc:
		if err := g.call(term); err != nil {
			return err
		}
	}
	g.suffixes(term)
	return nil
}

// suffixes puts a guard before each .[] and slice: T.a[] becomes (T.a | guard)[].
func (g *guards) suffixes(term *gojq.Term) {
	for i, suffix := range slices.Backward(term.SuffixList) {
		var name string
		switch {
		case suffix.Iter:
			name = guardEach
		case suffix.Index != nil && suffix.Index.IsSlice:
			name = guardValue
		default:
			continue
		}
		before := *term
		before.SuffixList = term.SuffixList[:i:i]
		g.suffixes(&before)
		*term = gojq.Term{Type: gojq.TermTypeQuery, Query: pipe(&gojq.Query{Term: &before}, call(name)), SuffixList: term.SuffixList[i:]}
		return
	}
}

func (g *guards) call(term *gojq.Term) error {
	function := term.Func
	name := function.Name
	switch {
	case slices.Contains(outside, name):
		return fmt.Errorf("%s is not available: a mapping must give the same result for the same record", name)
	case strings.HasPrefix(name, "$"), slices.Contains(free, name):
		return nil
	case name == "join" && len(function.Args) == 1:
		const separator = "$courier_separator"
		g.wrap(term, &gojq.Query{
			Left: function.Args[0], Op: gojq.OpPipe, Patterns: []*gojq.Pattern{{Name: separator}},
			Right: pipe(call(guardJoin, call(separator)), call("join", call(separator))),
		})
		return nil
	case name == "setpath" && len(function.Args) == 2:
		function.Args[0] = pipe(function.Args[0], call(guardPath))
		g.guard(term, guardValue)
		return nil
	case name == "tonumber":
		g.guard(term, guardNumber)
		return nil
	case name == "nth" && len(function.Args) == 1:
		function.Args[0] = pipe(function.Args[0], call(guardIndex))
		return nil
	case g.isLibrary && slices.Contains(inner, name) && (name == "path" || name == findAll):
		return nil
	case g.isLibrary && slices.Contains(inner, name):
		g.guard(term, guardValue)
		return nil
	case name == "split" && len(function.Args) == 2:
	case slices.Contains(reading, name):
		g.guard(term, guardValue)
		return nil
	case slices.Contains(widening, name):
		g.guard(term, guardWide)
		return nil
	case slices.Contains(pairing, name):
		g.guard(term, guardPairs)
		return nil
	}
	if g.own[name] || g.inLibrary(name) {
		return nil
	}
	return fmt.Errorf("the function %s is not available here", name)
}

// guard checks the input and the arguments of a call.
func (g *guards) guard(term *gojq.Term, name string) {
	inner := *term.Func
	inner.Args = slices.Clone(inner.Args)
	for i, argument := range inner.Args {
		// An argument that is a closure is checked where its values are used.
		if inner.Name != "add" {
			inner.Args[i] = pipe(argument, call(guardValue))
		}
	}
	g.wrap(term, pipe(call(name), &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &inner}}))
}

func (g *guards) wrap(term *gojq.Term, query *gojq.Query) {
	*term = gojq.Term{Type: gojq.TermTypeQuery, Query: query, SuffixList: term.SuffixList}
}

func identity() *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity}}
}

func call(name string, arguments ...*gojq.Query) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: arguments}}}
}

func pipe(left, right *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: left, Op: gojq.OpPipe, Right: right}
}
