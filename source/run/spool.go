package run

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/source/difference"
)

// spool keeps the changes of a plan on disk until they are applied: compressed, one after
// the other, each with its route. It is removed with close.
type spool struct {
	file    *os.File
	packer  *zstd.Encoder
	buffer  *bufio.Writer
	entries int64
	bytes   int64 // before compression
	limit   int64
}

// errSpoolFull says that a plan's changes take more room than they may.
var errSpoolFull = errors.New("the changes take more room on disk than they may")

// newSpool makes an empty spool in a folder; "" is the system's for temporary files. It may
// have limit bytes before compression.
func newSpool(folder string, limit int64) (*spool, error) {
	file, err := os.CreateTemp(folder, "courier-changes-*")
	if err != nil {
		return nil, fmt.Errorf("keep the changes on disk: %w", err)
	}
	// The name is removed at once where that can be: nothing stays behind a process that is
	// killed.
	_ = os.Remove(file.Name())
	packer, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &spool{file: file, packer: packer, buffer: bufio.NewWriterSize(packer, 64<<10), limit: limit}, nil
}

// add appends an item of a route.
func (s *spool) add(route int, item difference.Item) error {
	var at int64
	if !item.ChangedAt.IsZero() {
		at = item.ChangedAt.UnixMicro()
	}
	head := binary.AppendUvarint(nil, uint64(route)) //nolint:gosec // G115: an index
	head = binary.AppendVarint(head, at)
	for _, part := range [][]byte{[]byte(item.ID), []byte(item.Group), item.Attributes} {
		head = binary.AppendUvarint(head, uint64(len(part)))
		head = append(head, part...)
	}
	s.entries++
	if s.bytes += int64(len(head)); s.bytes > s.limit {
		return fmt.Errorf("%w: %d bytes", errSpoolFull, s.limit)
	}
	_, err := s.buffer.Write(head)
	return err
}

// each calls visit for every item, in the order they were added.
func (s *spool) each(visit func(route int, item difference.Item) error) error {
	if err := errors.Join(s.buffer.Flush(), s.packer.Close()); err != nil {
		return fmt.Errorf("keep the changes on disk: %w", err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the changes back: %w", err)
	}
	unpacker, err := zstd.NewReader(s.file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer unpacker.Close()
	reader := bufio.NewReaderSize(unpacker, 64<<10)
	for range s.entries {
		route, item, err := readItem(reader)
		if err != nil {
			return fmt.Errorf("read the changes back: %w", err)
		}
		if err := visit(route, item); err != nil {
			return err
		}
	}
	return nil
}

func readItem(reader *bufio.Reader) (route int, item difference.Item, err error) {
	index, err := binary.ReadUvarint(reader)
	if err != nil {
		return 0, item, err
	}
	at, err := binary.ReadVarint(reader)
	if err != nil {
		return 0, item, err
	}
	var parts [3][]byte
	for i := range parts {
		length, err := binary.ReadUvarint(reader)
		if err != nil {
			return 0, item, err
		}
		parts[i] = make([]byte, length)
		if _, err := io.ReadFull(reader, parts[i]); err != nil {
			return 0, item, err
		}
	}
	item = difference.Item{ID: string(parts[0]), Group: string(parts[1]), Attributes: parts[2]}
	if at != 0 {
		item.ChangedAt = time.UnixMicro(at).UTC()
	}
	return int(index), item, nil //nolint:gosec // G115: an index
}

// close removes the spool.
func (s *spool) close() error {
	_ = s.packer.Close()
	name := s.file.Name()
	err := s.file.Close()
	_ = os.Remove(name) // where it could not be removed while open
	return err
}
