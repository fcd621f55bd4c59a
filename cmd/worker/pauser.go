package main

import (
	"context"
	"errors"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
)

type pauser struct{ *persistence.Store }

func (p pauser) PauseAccountFor(ctx context.Context, account, reason string, length time.Duration) error {
	if length != 0 {
		return errors.New("a pause with a length is not possible yet")
	}
	return p.PauseAccount(ctx, account, reason)
}
