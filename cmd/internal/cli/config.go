package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/publish"
)

// DefaultConfig is read when no --config is given and the file is there.
const DefaultConfig = "courier.yaml"

// ConfigPath is the configuration that is meant: the given one, or DefaultConfig where it is
// there, or "" for none.
func ConfigPath(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	switch _, err := os.Stat(DefaultConfig); {
	case err == nil:
		return DefaultConfig, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	default:
		return "", err
	}
}

// DeniedError adds to an error of NATS the key of the configuration that it is about, if any.
func DeniedError(err error) error {
	if denial, denied := errors.AsType[*publish.DeniedError](err); denied && denial.Subscription {
		return fmt.Errorf("%w: set nats.inbox_prefix", err)
	}
	return err
}

// ConfigError says above the problems of a configuration how many there are.
func ConfigError(err error) error {
	if problems, wrong := errors.AsType[config.Problems](err); wrong {
		return fmt.Errorf("the configuration has %s:\n%w", Counted(len(problems), "problem"), err)
	}
	return err
}
