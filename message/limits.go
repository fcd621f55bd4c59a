package message

import (
	"strconv"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// Limits of a message. A longer value is refused, not cut.
const (
	// MaxBody is the longest body, in bytes.
	MaxBody = 1 << 20
	// MaxItemID is the longest item_id, in bytes. Platforms allow 100 to 127
	// characters for a part; this leaves room for a key of several parts.
	MaxItemID = 512
	// MaxID is the longest mutation id, in bytes.
	MaxID = 256
	// MaxLocalizationValue is the longest localization value, in bytes.
	MaxLocalizationValue = 64
	// MaxTokenLength is the longest account, catalog or catalog type in a subject, in
	// bytes.
	MaxTokenLength = 128
	// MaxDepth is how deep objects and arrays may be nested.
	MaxDepth = rawjson.MaxDepth
)

// TooLarge is the problem of a body of so many bytes, more than MaxBody.
func TooLarge(size int) *catalog.Problem {
	return &catalog.Problem{
		Reason: catalog.MessageTooLarge,
		Text:   "the body has " + strconv.Itoa(size) + " bytes, at most " + strconv.Itoa(MaxBody) + " are allowed",
	}
}
