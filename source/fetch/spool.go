package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
)

// spool is the temporary file that content comes into.
type spool struct {
	file  *os.File
	hash  hash.Hash
	size  int64
	limit int64
}

// newSpool makes a file that only this user may read.
func newSpool(options *Options) (*spool, error) {
	file, err := os.CreateTemp(options.Spool, "courier-feed-*")
	if err != nil {
		return nil, failLocally(err)
	}
	return &spool{file: file, hash: sha256.New(), limit: options.MaxBytes}, nil
}

func (s *spool) path() string { return s.file.Name() }

// restart empties the file.
func (s *spool) restart() error {
	if s.size == 0 {
		return nil
	}
	if err := s.file.Truncate(0); err != nil {
		return failLocally(err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return failLocally(err)
	}
	s.hash.Reset()
	s.size = 0
	return nil
}

// bufferSize is how much is read at once. An SFTP client asks for the pieces of it at the same time, each of 32 KiB.
const bufferSize = 256 << 10

// take appends all of a reader. Errors of the disk and the limit are an *Error; other
// errors are the reader's.
func (s *spool) take(from io.Reader) error {
	buffer := make([]byte, bufferSize)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if s.size+int64(n) > s.limit {
				return tooLarge(s.size+int64(n), s.limit)
			}
			if _, err := s.file.Write(buffer[:n]); err != nil {
				return failLocally(err)
			}
			s.hash.Write(buffer[:n])
			s.size += int64(n)
		}
		if err == io.EOF { // a wrapped one is a broken connection
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// finish closes the file.
func (s *spool) finish() (sum, error) {
	if err := s.file.Close(); err != nil {
		return sum{}, failLocally(err)
	}
	return sum{sha256: hex.EncodeToString(s.hash.Sum(nil)), bytes: s.size}, nil
}

// discard removes the file. What cannot be removed is the operating system's to clean up.
func (s *spool) discard() {
	_ = s.file.Close()
	_ = os.Remove(s.path())
}
