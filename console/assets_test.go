package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type lockedPackage struct {
	Package string            `json:"package"`
	Version string            `json:"version"`
	Licence string            `json:"licence"`
	Files   map[string]string `json:"files"`
}

// locked requires that a folder has what its lock file lists, byte for byte, and nothing
// else.
func locked(t *testing.T, folder fs.FS, skip ...string) []lockedPackage {
	t.Helper()
	text, err := fs.ReadFile(folder, "lock.json")
	require.NoError(t, err)
	var packages []lockedPackage
	require.NoError(t, json.Unmarshal(text, &packages))
	listed := map[string]string{}
	for _, one := range packages {
		licence := false
		for file, digest := range one.Files {
			listed[file] = digest
			licence = licence || strings.Contains(file, "LICENSE")
		}
		require.True(t, licence, "%s has no licence beside it", one.Package)
	}
	require.NoError(t, fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || file == "lock.json" {
			return err
		}
		content, err := fs.ReadFile(folder, file)
		require.NoError(t, err)
		digest := sha256.Sum256(content)
		require.Equal(t, listed[file], hex.EncodeToString(digest[:]), file)
		delete(listed, file)
		return nil
	}))
	for _, file := range skip {
		delete(listed, file)
	}
	require.Empty(t, listed)
	return packages
}

func TestThirdPartyFilesAreWhatWasTaken(t *testing.T) {
	t.Parallel()
	folder, err := fs.Sub(static, "static/third_party")
	require.NoError(t, err)
	versions := map[string]string{}
	for _, one := range locked(t, folder) {
		versions[one.Package] = one.Version
	}
	require.Equal(t, map[string]string{"htmx.org": "2.0.11", "uplot": "1.6.32", "@picocss/pico": "2.1.1"}, versions)
	require.Equal(t, "4.14.1", locked(t, os.DirFS("testdata"))[0].Version)
	// What tests need is not in the program.
	require.NoError(t, fs.WalkDir(static, ".", func(file string, _ fs.DirEntry, err error) error {
		require.NotContains(t, file, "axe")
		return err
	}))
	// A module's zip file leaves folders of this name out.
	require.NoError(t, filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		require.NotEqual(t, "vendor", filepath.Base(file))
		return err
	}))
}

func TestFilesAreKeptForeverAndPacked(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{})
	get := func(path, encoding string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodGet, "http://localhost"+path, http.NoBody)
		request.Header.Set("Accept-Encoding", encoding)
		answer := httptest.NewRecorder()
		c.Handler().ServeHTTP(answer, request)
		return answer
	}
	for file := range c.assets.byFile {
		path, err := c.asset(file)
		require.NoError(t, err)
		plain, packed := get(path, ""), get(path, "br, gzip")
		require.Equal(t, http.StatusOK, plain.Code, path)
		require.Contains(t, plain.Header().Get("Cache-Control"), "immutable")
		require.Equal(t, "Accept-Encoding", plain.Header().Get("Vary"))
		require.Empty(t, plain.Header().Get("Content-Encoding"))
		if plain.Body.Len() > 1000 {
			require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"), path)
			require.Less(t, packed.Body.Len(), plain.Body.Len())
		}
		require.Equal(t, http.StatusNotFound, get(strings.Replace(path, ".", ".0", 1), "").Code)
	}
	require.Equal(t, http.StatusNotFound, get("/static/lock.json", "").Code)
	require.Equal(t, http.StatusNotFound, get("/static/..%2fapp.css", "").Code)
}
