package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// bucket is an object of a server that speaks the protocol of S3.
type bucket struct {
	endpoint string // host and port
	secure   bool
	name     string
	key      string
	options  *Options
	secrets  *secrets
}

// parseS3 takes a key as it is: nothing in it is escaped.
func (f *Fetcher) parseS3(location string) *Error {
	o := &f.options
	name, key, _ := strings.Cut(location[len("s3:"):], "/")
	if rest, found := strings.CutPrefix(location[len("s3:"):], "//"); found {
		name, key, _ = strings.Cut(rest, "/")
	}
	if strings.ContainsAny(name, "@:") { // before anything of it is shown
		return fail(ErrAddress, "the bucket's name has a @ or a colon", "keys belong into access_key_file and secret_key_file, a host into endpoint")
	}
	if s3utils.CheckValidBucketNameStrict(name) != nil {
		return fail(ErrAddress, "that is not a bucket's name", "write s3://bucket/folder/feed.csv")
	}
	shown, _, signed := strings.Cut(key, "?") // what follows may be a signature, and not a part of the key
	if signed {
		shown += "?…"
	}
	f.shown = legible.Clip("s3://"+name+"/"+shown, 300)
	if key == "" || strings.HasSuffix(key, "/") || s3utils.CheckValidObjectName(key) != nil {
		return fail(ErrAddress, "it names no object", "write s3://bucket/folder/feed.csv")
	}
	if err := f.refuse("s3", o.Username, o.Password, string(o.PrivateKey)); err != nil {
		return err
	}
	if len(o.Header) > 0 {
		return f.refuse("s3", "header")
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		return fail(ErrAddress, "one of access key and secret key is missing", "set both, or none for a public bucket")
	}
	b := &bucket{name: name, key: key, options: o, secrets: newSecrets(o.SecretKey, o.AccessKey)}
	if err := b.parseEndpoint(o.Endpoint); err != nil {
		return err
	}
	if _, err := b.client(nil); err != nil {
		return fail(ErrAddress, "the endpoint is not valid", "write host, or host:port, with https:// or http:// before it")
	}
	f.secrets, f.id = b.secrets, idOf("s3:"+b.endpoint+"/"+name+"/"+key)
	f.source = remote{attempter: b, name: path.Base(key)}
	return nil
}

func (b *bucket) parseEndpoint(endpoint string) *Error {
	b.endpoint, b.secure = endpoint, true
	if endpoint == "" {
		b.endpoint = "s3.amazonaws.com"
		return nil
	}
	if strings.Contains(endpoint, "://") {
		address, err := url.Parse(endpoint)
		if err != nil || address.Host == "" || address.User != nil || strings.Trim(address.Path, "/") != "" || address.RawQuery != "" ||
			address.Scheme != "http" && address.Scheme != "https" {
			return fail(ErrAddress, "the endpoint is not valid", "write host, or host:port, with https:// or http:// before it")
		}
		b.endpoint, b.secure = address.Host, address.Scheme == "https"
	}
	return nil
}

func (b *bucket) client(transport http.RoundTripper) (*minio.Client, error) {
	signing := credentials.NewStaticV4(b.options.AccessKey, b.options.SecretKey, "") // anonymous without keys
	return minio.New(b.endpoint, &minio.Options{
		Creds: signing, Secure: b.secure, Region: b.options.Region, Transport: transport,
		MaxRetries: 1, // attempts are repeated here, with a budget
	})
}

// bounded limits the bodies of answers that are not content, which the library reads whole.
type bounded struct{ inner http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.inner.RoundTrip(request)
	if err == nil && (response.StatusCode >= http.StatusMultipleChoices || request.URL.Query().Has("location")) {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, pieceSize), response.Body}
	}
	return response, err
}

// attempt asks for the object, or for its rest if it is still the same.
func (b *bucket) attempt(ctx context.Context, d *download) error {
	dialer := &net.Dialer{Timeout: b.options.ConnectTimeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: b.options.ConnectTimeout,
		ForceAttemptHTTP2: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	client, err := b.client(bounded{transport})
	if err != nil {
		return fail(ErrAddress, "the endpoint is not valid", "correct endpoint")
	}
	options, err := b.ask(d)
	if err != nil {
		return fail(ErrAddress, "the object's tag is not valid", "")
	}
	asked := time.Now()
	core := minio.Core{Client: client}
	body, info, header, err := core.GetObject(ctx, b.name, b.key, options)
	if err != nil {
		return b.failed(err, d)
	}
	defer func() { _ = body.Close() }() // only read
	d.alive()
	if d.rest() == 0 {
		if err := d.begin(); err != nil {
			return err
		}
		now := time.Now()
		d.etag, d.total, d.kind = info.ETag, info.Size, legible.Clip(info.ContentType, 100)
		d.found.etag = info.ETag
		d.at, d.notes = modification(info.LastModified, asked, now, header)
		if d.total > b.options.MaxBytes {
			return tooLarge(d.total, b.options.MaxBytes)
		}
	} else if !d.continues(header.Get("Content-Range")) || info.ETag != d.etag { // not every server knows If-Match
		if err := d.begin(); err != nil {
			return err
		}
		return failLater(ErrShort, "the server sent a part of something other than was asked for", "")
	}
	err = d.spool.take(reading{ctx: ctx, from: body, alive: d.alive})
	if own := (*Error)(nil); errors.As(err, &own) {
		return own
	}
	if err != nil || d.total >= 0 && d.spool.size != d.total {
		return failLater(ErrShort, fmt.Sprintf("%d of %d bytes came", d.spool.size, d.total), "the server or a proxy cut the connection; look at its limits of time and size")
	}
	return nil
}

// ask says of which version the object is wanted.
func (b *bucket) ask(d *download) (minio.GetObjectOptions, error) {
	options := minio.GetObjectOptions{}
	if from := d.rest(); from > 0 {
		return options, errors.Join(options.SetRange(from, 0), options.SetMatchETag(d.etag))
	}
	if d.former.etag != "" {
		return options, options.SetMatchETagExcept(d.former.etag)
	}
	return options, nil
}

// failed is an error of the server, or of the connection to it.
func (b *bucket) failed(err error, d *download) error {
	answer := minio.ErrorResponse{}
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return unreachable(err, b.secrets)
	}
	code := answer.Code
	name, _ := strings.CutPrefix(code, strconv.Itoa(answer.StatusCode)+" ") // of an answer that is not S3's it is the status
	what := b.secrets.clean(fmt.Sprintf("the server answered %d %s: %s", answer.StatusCode, name, visible(answer.Message)))
	switch {
	case answer.StatusCode == http.StatusNotModified && d.rest() == 0 && d.former.etag != "":
		return fail(ErrUnchanged, "", "")
	case answer.StatusCode == http.StatusPreconditionFailed, answer.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		if err := d.begin(); err != nil {
			return err
		}
		return changed()
	case code == minio.RequestTimeTooSkewed:
		return fail(ErrDenied, what, "set the clock of this machine, or of the server")
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fail(ErrDenied, what, "check access_key_file and secret_key_file, and that they may do s3:GetObject; without s3:ListBucket a missing object is denied too")
	case answer.StatusCode == http.StatusNotFound:
		return fail(ErrNotFound, what, "check bucket, key and endpoint")
	case answer.StatusCode == http.StatusMovedPermanently, answer.StatusCode == http.StatusTemporaryRedirect, code == "AuthorizationHeaderMalformed", code == minio.InvalidRegion:
		return fail(ErrStatus, what, "set region to that of the bucket")
	case answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode >= 500, code == "RequestTimeout":
		return failLater(ErrStatus, what, "try later; if it stays, tell who runs the server")
	}
	return fail(ErrStatus, what, "check the address and its settings")
}
