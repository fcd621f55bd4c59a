package message

import (
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// TestWhatIsWrittenIsRead: each member of an envelope is one that decoding looks at, and
// the id travels in the header that the stream drops repeats by.
func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[Envelope]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		_, known := memberNamed(name)
		require.True(t, known, name)
	}
	require.Equal(t, jetstream.MsgIDHeader, HeaderID)
}
