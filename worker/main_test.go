package worker_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/worker/internal/testbed"
)

func TestMain(m *testing.M) {
	testbed.ChildProcess()
	goleak.VerifyTestMain(pgtest.Main(m), natstest.ServersOwn()...)
}
