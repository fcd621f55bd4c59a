package oracle

import (
	"bytes"
	"strconv"
)

// checkPlatforms is I3 and I4, and what the platforms know of I1 and I5.
func (v *Verdict) checkPlatforms(platforms []*Platform) {
	for _, p := range platforms {
		c := p.Received
		if c.Overlaps > 0 {
			v.addf(OneBatchAnItem, "%s accepted %d records of items with other content in an open batch", p.Name, c.Overlaps)
		}
		if c.DuplicateItems > 0 {
			v.addf(BatchesAreLawful, "%s had %d records of an item that the same body had before", p.Name, c.DuplicateItems)
		}
		if p.MaxItems > 0 && c.MaxItems > p.MaxItems {
			v.addf(BatchesAreLawful, "%s had a body of %d records, more than %d", p.Name, c.MaxItems, p.MaxItems)
		}
		if p.MaxBytes > 0 && c.MaxBytes > p.MaxBytes {
			v.addf(BatchesAreLawful, "%s had a body of %d bytes, more than %d", p.Name, c.MaxBytes, p.MaxBytes)
		}
		if p.Pending > 0 {
			v.addf(EveryMessageEnds, "%s has %d batches that are not applied yet, though all is said to be final", p.Name, p.Pending)
		}
		if p.Succeeded != nil && *p.Succeeded != c.Records-c.Refused {
			v.addf(SuccessWasConfirmed, "%s applied %d records, and %d are said to have succeeded", p.Name, c.Records-c.Refused, *p.Succeeded)
		}
	}
}

// SearchSecrets is I7 for one text, such as a log or all rows of a view. A violation
// names the text, never the secret.
func SearchSecrets(name string, text []byte, secrets []string) (found []Violation) {
	for number, secret := range secrets {
		if secret != "" && bytes.Contains(text, []byte(secret)) {
			found = append(found, Violation{Invariant: NoSecrets, Text: name + " holds secret number " + strconv.Itoa(number)})
		}
	}
	return found
}
