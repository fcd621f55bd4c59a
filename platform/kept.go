package platform

import (
	"context"
	"sync/atomic"
)

// How many bytes are kept of what a platform answered: of a call that told something, and
// of one that failed or told nothing yet.
const (
	MaxAnswer      = 64 << 10
	MaxShortAnswer = 4 << 10
)

// KeptAnswer has the text of what the last call in its context was answered, without
// secrets, so that people can read it. It is for one call at a time.
type KeptAnswer struct{ text atomic.Pointer[string] }

type keptAnswerKey struct{}

// KeepAnswer gives a context in which the answer to a call is kept. Package rest does that
// for the clients that call through it: a platform has nothing to do for it.
func KeepAnswer(ctx context.Context) (context.Context, *KeptAnswer) {
	kept := &KeptAnswer{}
	return context.WithValue(ctx, keptAnswerKey{}, kept), kept
}

// AnswerKept is where an answer to a call in the context is kept; nil where nobody asked
// for it.
func AnswerKept(ctx context.Context) *KeptAnswer {
	kept, _ := ctx.Value(keptAnswerKey{}).(*KeptAnswer)
	return kept
}

// Set keeps a text of at most MaxAnswer bytes in which no secret is.
func (k *KeptAnswer) Set(text string) { k.text.Store(&text) }

// Text is what was kept; "" where there was no answer.
func (k *KeptAnswer) Text() string {
	if text := k.text.Load(); text != nil {
		return *text
	}
	return ""
}
