package persistence

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// UnpackRecords reads the payload of a batch, as the view batch_payloads has it: its records
// with all their mutations, and no Change. maxBytes bounds what it may become in memory.
func UnpackRecords(payload []byte, maxBytes uint64) ([]catalog.Record, error) {
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBytes), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("preparing decompression: %w", err)
	}
	defer unpack.Close()
	raw, err := unpack.DecodeAll(payload, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking a batch: %w", err)
	}
	return ledger.DecodeRecords(raw)
}
