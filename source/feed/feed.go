package feed

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
)

// Format is what the content of a feed was recognized as.
type Format string

// The formats that are read.
const (
	RSS2        Format = "rss2"        // Google, Meta or Pinterest: rss/channel/item
	RSS1        Format = "rss1"        // RDF/item
	Atom        Format = "atom"        // Atom 1.0 and 0.3: feed/entry
	Listings    Format = "listings"    // Meta travel, homes, vehicles; hotel lists: listings/listing
	Table       Format = "table"       // CSV, TSV and other delimited text with a header
	Shopify     Format = "shopify"     // product export, CSV
	WooCommerce Format = "woocommerce" // product export, CSV
	Adobe       Format = "adobe"       // Adobe Commerce (Magento) product export, CSV
	JSONLines   Format = "jsonl"       // one object a line, or objects one after the other
	JSON        Format = "json"        // an array of objects, or an object with one
	Parquet     Format = "parquet"
)

// Quoting says how cells of a table are quoted.
type Quoting string

// The ways of quoting.
const (
	QuotingAuto   Quoting = ""       // double quotes, as CSV
	QuotingDouble Quoting = "double" // the same, said explicitly
	QuotingNone   Quoting = "none"   // quotes are text: rows and cells end at line ends and delimiters only
)

// Options of a reader. The zero value reads every feed that needs no help.
type Options struct {
	// Format is taken instead of looking at the content of a table. Only Table, Shopify,
	// WooCommerce and Adobe are a choice: others are certain.
	Format Format
	// Encoding is the encoding's name, as on the web (windows-1252, utf-16le, shift_jis).
	// Empty means to find out. A byte order mark is believed more.
	Encoding string
	// Delimiter of a table: one of , ; tab | ~. Zero means to find out.
	Delimiter rune
	// Quoting of a table.
	Quoting Quoting
	// Required names columns that a table or a Parquet file must have, folded as in
	// records. A feed without one of them is ErrNoHeader.
	Required []string
	// Member is a pattern (path.Match) for the member of a zip archive. Empty: the
	// archive must have exactly one.
	Member string
	// Size is how many bytes the input has, where that is known, such as from
	// Content-Length. Another number of bytes is ErrTruncated. Zero: not known.
	Size int64

	// MaxInput bounds the bytes read from the input, before decompression. 0 means 4 GiB.
	MaxInput int64
	// MaxBytes bounds the bytes after decompression. 0 means 16 GiB.
	MaxBytes int64
	// MaxRatio bounds how much larger the content is than the input, from 64 MiB of
	// content on. 0 means 250.
	MaxRatio int64
	// MaxCell bounds one value in bytes. 0 means 64 KiB. A longer one is cut, and its
	// record is damaged, unless it is a description.
	MaxCell int
	// MaxRecord bounds one record in bytes. 0 means 1 MiB. Of a longer one the beginning
	// is kept, and the record is damaged.
	MaxRecord int
	// MaxColumns bounds the columns of a table. 0 means 2000.
	MaxColumns int
	// MaxLinks bounds the rows whose group is named elsewhere in an export: they cost
	// about 40 bytes of memory each. 0 means 2 million. Rows beyond get a finding.
	MaxLinks int
	// TempDir is where archives, Parquet files and exports that are read twice are
	// kept while they are read. Empty means the system's folder.
	TempDir string

	// Finding is called for each finding, from inside Open and Next. It may be nil.
	Finding func(Finding)
}

func (o Options) withDefaults() Options {
	o.MaxInput = cmp.Or(o.MaxInput, 4<<30)
	o.MaxBytes = cmp.Or(o.MaxBytes, 16<<30)
	o.MaxRatio = cmp.Or(o.MaxRatio, 250)
	o.MaxCell = cmp.Or(o.MaxCell, 64<<10)
	o.MaxRecord = max(cmp.Or(o.MaxRecord, 1<<20), o.MaxCell)
	o.MaxColumns = cmp.Or(o.MaxColumns, 2000)
	o.MaxLinks = cmp.Or(o.MaxLinks, 2_000_000)
	return o
}

// Record is one item of a feed.
type Record struct {
	// Item holds the values by name; see the package's text for their types.
	Item map[string]any
	// Place is where the record begins.
	Place Place
	// Format is the reader's.
	Format Format
	// Kind is the row's kind where the format has one: WooCommerce's type (simple,
	// variable, variation, …), Adobe's product_type. Else empty.
	Kind string
	// Group is the id of the item's group: item_group_id, Shopify's handle,
	// WooCommerce's parent, Adobe's configurable product. It is also in Item as
	// item_group_id.
	Group string
	// Damaged: the item is in the feed, and Item is not reliable. Neither send it nor
	// take the item for missing.
	Damaged bool
}

// Stats are facts of a reader so far; all of them are final after io.EOF.
type Stats struct {
	Records    int64 // returned
	Damaged    int64 // of them
	Unreadable int64 // rows, lines and elements that gave no record, or one with an id that is not its own
	Findings   int64
	Bytes      int64 // read from the input, before decompression
}

// Reader reads one feed. It is not safe for concurrent use.
type Reader struct {
	session *session
	source  source
	format  Format
	columns []string
	end     error // what Next returns from now on
}

// source is one format's reader.
type source interface {
	// next returns io.EOF after a complete end only.
	next() (Record, error)
}

// session is what the parts of one reader share.
type session struct {
	options  Options
	stats    Stats
	member   string
	encoding string
	packing  string
	closers  []func() error
}

// Open begins to read a feed. The caller closes the reader; the input stays the
// caller's.
func Open(input io.Reader, options Options) (*Reader, error) {
	s := &session{options: options.withDefaults()}
	reader, err := s.open(input)
	if err != nil {
		return nil, errors.Join(locate(err, s.member), s.close())
	}
	return reader, nil
}

// OpenFile is Open for a file on disk.
func OpenFile(path string, options Options) (*Reader, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, &Error{Kind: ErrRead, What: err.Error(), Do: "check the path and its permissions", Cause: err}
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		return nil, errors.Join(fail(ErrNotAFeed, "the path is not a file", "give the path of one file"), err, file.Close())
	}
	reader, err := Open(file, options)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	reader.session.closers = append(reader.session.closers, file.Close)
	return reader, nil
}

// Format is what the content was recognized as.
func (r *Reader) Format() Format { return r.format }

// Encoding is the encoding that the text was read as, so far: plain ASCII counts as
// UTF-8. It is empty for Parquet.
func (r *Reader) Encoding() string { return r.session.encoding }

// Compression is gzip, zstd or zip, joined by "+" where one is inside another, or empty.
func (r *Reader) Compression() string { return r.session.packing }

// Columns are the folded names of a table's or a Parquet file's columns, in the order of
// the file; other formats have none.
func (r *Reader) Columns() []string { return r.columns }

// Stats are the facts so far.
func (r *Reader) Stats() Stats { return r.session.stats }

// Next returns the next record. After the last one it returns io.EOF, which means that
// the feed was read to a complete and valid end. After any other error it returns that
// error again.
func (r *Reader) Next() (Record, error) {
	if r.end != nil {
		return Record{}, r.end
	}
	record, err := r.source.next()
	for err == nil && len(record.Item) == 0 { // values in columns without names only
		r.session.stats.Unreadable++
		r.session.find(KindEmptyItem, record.Place, "", "", "a row with values only in columns without a name was passed over")
		record, err = r.source.next()
	}
	if err != nil {
		r.end = locate(err, r.session.member)
		return Record{}, r.end
	}
	record.Format = r.format
	record.Place.Member = r.session.member
	if record.Group == "" {
		record.Group, _ = record.Item["item_group_id"].(string)
	}
	r.session.stats.Records++
	if record.Damaged {
		r.session.stats.Damaged++
	}
	return record, nil
}

// All yields records up to the end or an error, which comes last. It ends early with the
// context.
func (r *Reader) All(ctx context.Context) func(yield func(Record, error) bool) {
	return func(yield func(Record, error) bool) {
		for {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			record, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Close frees temporary files and decoders.
func (r *Reader) Close() error {
	if r.end == nil {
		r.end = fail(ErrRead, "the reader is closed", "open the feed again")
	}
	return r.session.close()
}

func (s *session) close() error {
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// locate adds the archive's member to an error.
func locate(err error, member string) error {
	own := (*Error)(nil)
	if member == "" || !errors.As(err, &own) || own.Place.Member != "" {
		return err
	}
	located := *own
	located.Place.Member = member
	return &located
}
