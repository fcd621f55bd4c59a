package service_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

func TestMain(m *testing.M) {
	rig.ChildProcess()
	goleak.VerifyTestMain(cleaned{pgtest.Main(m)}, natstest.ServersOwn()...)
}

// cleaned removes what the tests built together.
type cleaned struct{ goleak.TestingM }

func (c cleaned) Run() int {
	code := c.TestingM.Run()
	if clockFolder != "" {
		_ = os.RemoveAll(clockFolder)
	}
	return code
}
