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

// status says whether a record's item can be compared.
type status uint8

const (
	valid   status = iota
	invalid        // it is in the source, and cannot be sent
	leftOut        // the route's filter leaves it out
)

// spooled is a record for one route that changes something, or may count instead of an
// earlier one with its id.
type spooled struct {
	route  int
	number int64 // of the record, from 1; 0 for an item that no record has
	status status
	kind   difference.Kind
	keeps  bool // it is published, or its state is kept
	// mutation is the id of what would be published; "" for nothing.
	mutation string
	item     difference.Item
}

// spool keeps the changes of a plan on disk until they are applied: compressed, one after
// the other. It is removed with close.
type spool struct {
	file    *os.File
	packer  *zstd.Encoder
	buffer  *bufio.Writer
	entries int64
	bytes   int64 // before compression
	limit   int64
	ended   bool
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

// add appends a record.
func (s *spool) add(one spooled) error {
	var at int64
	if !one.item.ChangedAt.IsZero() {
		at = one.item.ChangedAt.UnixMicro()
	}
	flags := byte(one.status) << 5
	if one.keeps {
		flags |= 1 << 4
	}
	head := append(binary.AppendUvarint(nil, uint64(one.route)), flags|byte(one.kind)) //nolint:gosec // G115: an index; kinds are fewer than 16
	head = binary.AppendVarint(head, one.number)
	head = binary.AppendVarint(head, at)
	for _, part := range [][]byte{[]byte(one.mutation), []byte(one.item.ID), []byte(one.item.Group), one.item.Attributes} {
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

// each calls visit for every record, in the order they were added. Nothing can be added
// after the first time.
func (s *spool) each(visit func(one spooled) error) error {
	if !s.ended {
		if err := errors.Join(s.buffer.Flush(), s.packer.Close()); err != nil {
			return fmt.Errorf("keep the changes on disk: %w", err)
		}
		s.ended = true
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
		one, err := readSpooled(reader)
		if err != nil {
			return fmt.Errorf("read the changes back: %w", err)
		}
		if err := visit(one); err != nil {
			return err
		}
	}
	return nil
}

func readSpooled(reader *bufio.Reader) (one spooled, err error) {
	index, err := binary.ReadUvarint(reader)
	if err != nil {
		return one, err
	}
	flags, err := reader.ReadByte()
	if err != nil {
		return one, err
	}
	if one.number, err = binary.ReadVarint(reader); err != nil {
		return one, err
	}
	at, err := binary.ReadVarint(reader)
	if err != nil {
		return one, err
	}
	var parts [4][]byte
	for i := range parts {
		length, err := binary.ReadUvarint(reader)
		if err != nil {
			return one, err
		}
		parts[i] = make([]byte, length)
		if _, err := io.ReadFull(reader, parts[i]); err != nil {
			return one, err
		}
	}
	one.route, one.status, one.kind, one.keeps = int(index), status(flags>>5), difference.Kind(flags&0xf), flags&(1<<4) != 0 //nolint:gosec // G115: an index
	one.mutation = string(parts[0])
	one.item = difference.Item{ID: string(parts[1]), Group: string(parts[2]), Attributes: parts[3]}
	if at != 0 {
		one.item.ChangedAt = time.UnixMicro(at).UTC()
	}
	return one, nil
}

// close removes the spool.
func (s *spool) close() error {
	_ = s.packer.Close()
	name := s.file.Name()
	err := s.file.Close()
	_ = os.Remove(name) // where it could not be removed while open
	return err
}
