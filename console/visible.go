package console

import (
	"bytes"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// visible writes what nobody would see in the text of a page, or what would turn the direction
// of writing, as an escape such as \u202e: two ids that differ must not look the same. Tags stay
// as they are, with the addresses and values in them that name what is meant; so does what is
// edited, which is sent back.
func visible(page []byte) []byte {
	if legible.Ordinary(string(page)) {
		return page // nearly always
	}
	var shown bytes.Buffer
	shown.Grow(len(page) + 256)
	for len(page) > 0 {
		text := page
		if at := bytes.IndexByte(page, '<'); at >= 0 {
			text = page[:at]
		}
		shown.Write(legible.Escaped(text))
		page = page[len(text):]
		end := bytes.IndexByte(page, '>') + 1 // html/template escapes it in attributes
		if bytes.HasPrefix(page, textareaTag) {
			if closed := bytes.Index(page, textareaEnd); closed >= 0 {
				end = closed + len(textareaEnd)
			}
		}
		if end == 0 {
			end = len(page)
		}
		shown.Write(page[:end])
		page = page[end:]
	}
	return shown.Bytes()
}

var textareaTag, textareaEnd = []byte("<textarea"), []byte("</textarea>")
