package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static
var static embed.FS

// asset is a file of the pages, with its address and both forms in which it is sent.
type asset struct {
	name        string // with a digest of the content: an address never changes its content
	contentType string
	plain       []byte
	packed      []byte // gzip; nil where it saves nothing
}

// assets are all files that pages load.
type assets struct {
	byFile map[string]*asset // such as app.css
	byName map[string]*asset // such as app.0123456789ab.css
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// loadAssets reads the embedded files and packs each once. Licences and the lock file are
// in the program, and are not served.
func loadAssets() (*assets, error) {
	a := &assets{byFile: map[string]*asset{}, byName: map[string]*asset{}}
	err := fs.WalkDir(static, "static", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contentType, served := contentTypes[path.Ext(file)]
		if !served {
			return nil
		}
		content, err := static.ReadFile(file)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(content)
		base, extension := path.Base(file), path.Ext(file)
		made := &asset{
			name:        strings.TrimSuffix(base, extension) + "." + hex.EncodeToString(digest[:6]) + extension,
			contentType: contentType, plain: content,
		}
		if made.packed, err = pack(content); err != nil {
			return err
		}
		a.byFile[base], a.byName[made.name] = made, made
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the console's files: %w", err)
	}
	return a, nil
}

func pack(content []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	if packed.Len() >= len(content) {
		return nil, nil
	}
	return packed.Bytes(), nil
}

// ServeHTTP sends the file that the request's path names. Browsers may keep it for a year:
// another content has another name.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a.byName[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", found.contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	content := found.plain
	if found.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		content = found.packed
	}
	header.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(content) // the browser may have gone
}
