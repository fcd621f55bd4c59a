package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// maxFooter bounds the index of a Parquet file, which is read as a whole.
const maxFooter = 32 << 20

// parquetSource reads row after row. The library trusts its input in places; what it
// does with a damaged file, it does behind guard.
type parquetSource struct {
	session *session
	file    *parquet.File
	root    *parquetNode
	leaves  int
	groups  []parquet.RowGroup
	rows    parquet.Rows
	buffer  []parquet.Row
	ready   []parquet.Row
	count   int64
}

func (s *session) openParquet(raw io.Reader) (*Reader, error) {
	spool, size, err := s.spool(raw)
	if err != nil {
		return nil, err
	}
	if err := checkFooter(spool, size); err != nil {
		return nil, err
	}
	p := &parquetSource{session: s, buffer: make([]parquet.Row, 64)}
	err = guard(func() error {
		var err error
		p.file, err = parquet.OpenFile(spool, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return err
		}
		p.root, p.leaves = parquetTree(p.file.Schema())
		p.groups = p.file.RowGroups()
		return p.limits()
	})
	if err != nil {
		return nil, caused(ErrMalformed, Place{}, err, "write the Parquet file again")
	}
	s.closers = append(s.closers, p.close)
	reader := &Reader{session: s, source: p, format: Parquet}
	columns := make([]column, 0, len(p.root.children))
	for _, child := range p.root.children {
		reader.columns = append(reader.columns, child.name)
		columns = append(columns, column{name: child.name})
	}
	return reader, s.require(columns, Place{})
}

// checkFooter finds a file that is cut off, and a footer that does not fit into it.
func checkFooter(file io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < 12 {
		return fail(ErrTruncated, "the Parquet file has no index", "fetch or write the feed again")
	}
	if _, err := file.ReadAt(tail[:], size-8); err != nil {
		return caused(ErrRead, Place{}, err, "read the feed again")
	}
	footer := int64(binary.LittleEndian.Uint32(tail[:4]))
	switch {
	case string(tail[4:]) != "PAR1":
		return fail(ErrTruncated, "the Parquet file has no index at its end", "fetch or write the feed again")
	case footer > size-12:
		return fail(ErrMalformed, "the index of the Parquet file is larger than the file", "write the feed again")
	case footer > maxFooter:
		return fail(ErrTooLarge, fmt.Sprintf("the index of the Parquet file has %d bytes", footer), "write fewer columns or larger row groups")
	}
	return nil
}

// limits looks at what the file says about itself before anything is decompressed.
func (p *parquetSource) limits() error {
	var total int64
	for _, group := range p.file.Metadata().RowGroups {
		for _, chunk := range group.Columns {
			if chunk.MetaData.TotalUncompressedSize < 0 || chunk.MetaData.TotalCompressedSize < 0 {
				return fail(ErrMalformed, "a column has a negative size", "write the feed again")
			}
			total += chunk.MetaData.TotalUncompressedSize
			if total > p.session.options.MaxBytes {
				return fail(ErrTooLarge, fmt.Sprintf("the content is larger than %d bytes", p.session.options.MaxBytes), "raise the limit if the feed is right")
			}
		}
	}
	size := p.file.Size()
	if total > ratioFrom && total/max(size, 1) > p.session.options.MaxRatio {
		return fail(ErrTooLarge, fmt.Sprintf("the content is more than %d times larger than the file", p.session.options.MaxRatio), "check who wrote the file")
	}
	if p.leaves > p.session.options.MaxColumns {
		return fail(ErrTooLarge, fmt.Sprintf("the file has %d columns", p.leaves), "raise the limit if the feed is right")
	}
	return nil
}

// guard makes an error of a panic.
func guard(do func() error) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fail(ErrMalformed, "the file contradicts itself: "+legible.Clip(clipBytes(fmt.Sprint(caught)), 120), "write the feed again")
		}
	}()
	return do()
}

func (p *parquetSource) close() error {
	if p.rows == nil {
		return nil
	}
	rows := p.rows
	p.rows = nil
	return guard(rows.Close)
}

func (p *parquetSource) next() (Record, error) {
	for {
		for len(p.ready) == 0 {
			err := guard(p.read)
			if errors.Is(err, io.EOF) && p.count != p.file.NumRows() {
				return Record{}, failAt(ErrTruncated, Place{Record: p.count}, fmt.Sprintf("%d of %d rows are in the file", p.count, p.file.NumRows()), "write the feed again")
			}
			if errors.Is(err, io.EOF) {
				return Record{}, io.EOF
			}
			if err != nil {
				return Record{}, caused(ErrMalformed, Place{Record: p.count}, err, "write the feed again")
			}
		}
		row := p.ready[0]
		p.ready = p.ready[1:]
		p.count++
		var value any
		place := Place{Record: p.count}
		err := guard(func() error {
			var err error
			value, err = p.assemble(row, place)
			return err
		})
		if err != nil {
			return Record{}, caused(ErrMalformed, place, err, "write the feed again")
		}
		if value == nil {
			p.session.find(KindEmptyItem, place, "", "", "a row without any value was passed over")
			continue
		}
		if record, ok := p.session.object(value, place); ok {
			return record, nil
		}
	}
}

// read fills ready with the next rows. It returns io.EOF after the last row group.
func (p *parquetSource) read() error {
	for {
		if p.rows == nil {
			if len(p.groups) == 0 {
				return io.EOF
			}
			p.rows = p.groups[0].Rows()
			p.groups = p.groups[1:]
		}
		n, err := p.rows.ReadRows(p.buffer)
		p.ready = p.buffer[:n]
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n > 0 {
			return nil
		}
		rows := p.rows
		p.rows = nil
		if err := rows.Close(); err != nil {
			return err
		}
	}
}
