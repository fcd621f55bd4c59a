package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func (a *app) accountsCommand() *cobra.Command {
	group := &cobra.Command{Use: "accounts", Short: "pause and resume accounts"}
	var reason string
	pause := &cobra.Command{
		Use:   "pause ACCOUNT",
		Short: "send nothing of the account until it is resumed",
		Long: `Sends nothing of the account until it is resumed by hand. Batches under way are
followed to their end; what arrives waits.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changeAccount(c, func(db *database) error { return db.PauseAccount(c.Context(), args[0], reason) }, legible.Text(args[0])+" is paused")
		},
	}
	pause.Flags().StringVar(&reason, "reason", "paused by hand", "shown in account_status")
	resume := &cobra.Command{
		Use:   "resume ACCOUNT",
		Short: "end every pause of the account",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changeAccount(c, func(db *database) error { return db.ResumeAccount(c.Context(), args[0]) }, legible.Text(args[0])+" is resumed")
		},
	}
	group.AddCommand(pause, resume)
	return group
}

func (a *app) changeAccount(c *cobra.Command, change func(*database) error, done string) error {
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	if err := change(db); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.streams.Out, done)
	return err
}
