package fetch

import "time"

// SetSettle changes how long a recent file must be as it is.
func SetSettle(f *Fetcher, settle time.Duration) {
	switch source := f.source.(type) {
	case local:
		source.settle = settle
		f.source = source
	case remote:
		source.attempter.(*sftpSource).settle = settle
	}
}

// Seal is what the credentials of a fetcher are removed from a text by.
func Seal(f *Fetcher, text string) string { return f.secrets.clean(text) }
