package local

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// useTemporaryDatabase makes a database beside the one that was named; Close
// drops it.
func (e *Environment) useTemporaryDatabase(ctx context.Context) error {
	named := e.DatabaseURL
	address, err := url.Parse(named)
	if err != nil {
		return errors.New("the database address is not a URL") // the error would repeat its password
	}
	name := "courier_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	if err := execute(ctx, named, "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("making a temporary database: %w", err)
	}
	e.closeLater(func() error { //nolint:contextcheck // it runs after ctx has ended
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := execute(ctx, named, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("dropping the temporary database %s: %w", name, err)
		}
		return nil
	})
	address.Path = "/" + name
	e.DatabaseURL = address.String()
	return nil
}

func execute(ctx context.Context, url, statement string) (err error) {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close(context.WithoutCancel(ctx))) }()
	_, err = connection.Exec(ctx, statement)
	return err
}
