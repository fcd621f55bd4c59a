package persistence

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// mostUnpacked is how much of a pack is unpacked to look for an item: four times what a worker
// reads.
const mostUnpacked = 64 << 20

// unpacked is what a pack that could not be read says, as far as it can be unpacked. whole tells
// that it says nothing else.
func unpacked(headers []catalog.Header, data []byte) (text []byte, whole bool) {
	encoding := ""
	for _, header := range headers {
		if strings.EqualFold(header.Name, "content-encoding") {
			encoding = strings.ToLower(strings.TrimSpace(header.Value))
			break
		}
	}
	switch encoding {
	case "", "identity":
		return data, true
	case "zstd":
	default:
		return data, false
	}
	decoder, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderMaxMemory(mostUnpacked), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return data, false
	}
	defer decoder.Close()
	text, err = io.ReadAll(io.LimitReader(decoder, mostUnpacked+1))
	if errors.Is(err, zstd.ErrMagicMismatch) && len(text) == 0 {
		return data, true // it was never compressed
	}
	return text, err == nil && len(text) <= mostUnpacked
}
