package itemindex_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }
