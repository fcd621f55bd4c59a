package itemindex_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

var template = pgtest.NewTemplate(func(ctx context.Context, url string) error {
	_, err := persistence.Migrate(ctx, url)
	return err
})
