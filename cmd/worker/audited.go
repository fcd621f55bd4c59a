package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/replay"
)

// audited takes an action and writes it into the audit log.
func (a *app) audited(c *cobra.Command, db *database, action audited.Action, do func() (changed int64, done string, err error)) error {
	action.Refused = refusedAction
	return audited.Do(c.Context(), db.pool, action, do)
}

// refusedAction reports an error that says that the state of things did not allow an action.
func refusedAction(err error) bool {
	_, invalid := errors.AsType[*catalog.Problem](err)
	_, unknown := errors.AsType[*replay.UnknownError](err)
	return invalid || unknown || slices.ContainsFunc([]error{
		persistence.ErrNoAccount, persistence.ErrConfigured, persistence.ErrItemOpen, persistence.ErrReplaying, errNotAsked,
		replay.ErrNewerChanges, replay.ErrNotOpen, replay.ErrUnchanged, replay.ErrOtherItem,
	}, func(one error) bool { return errors.Is(err, one) })
}
