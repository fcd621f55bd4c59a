package run

import "encoding/json"

// findings keeps the first few findings of each kind and counts the rest.
type findings struct {
	kept   []Finding
	counts map[string]int
}

// KindCount is how often a kind of finding was found.
type KindCount struct {
	Kind     string    `json:"kind"`
	Severity string    `json:"severity"`
	Count    int       `json:"count"`
	Samples  []Finding `json:"samples"`
}

func (f *findings) add(found ...Finding) {
	for _, finding := range found {
		if f.counts == nil {
			f.counts = make(map[string]int)
		}
		key := finding.Severity + "\x00" + finding.Kind
		if f.counts[key]++; f.counts[key] <= samplesOfKind && len(f.kept) < maxFindings {
			f.kept = append(f.kept, finding)
		}
	}
}

// addOf adds what is wrong with a record for a route.
func (f *findings) addOf(route Route, record Record, mapped Mapped) {
	for _, finding := range mapped.Findings {
		finding.Route, finding.ItemID = route.String(), mapped.Item.ID
		if finding.Place == "" {
			finding.Place = placeOf(record)
		}
		f.add(finding)
	}
}

// list is the findings by kind, in the order of their first ones.
func (f *findings) list() (kinds []KindCount) {
	index := make(map[string]int)
	for _, finding := range f.kept {
		key := finding.Severity + "\x00" + finding.Kind
		at, known := index[key]
		if !known {
			at = len(kinds)
			index[key] = at
			kinds = append(kinds, KindCount{Kind: finding.Kind, Severity: finding.Severity, Count: f.counts[key]})
		}
		kinds[at].Samples = append(kinds[at].Samples, finding)
	}
	return kinds
}

func (f *findings) json() json.RawMessage {
	encoded, err := json.Marshal(f.list())
	if err != nil {
		return nil // strings and numbers always marshal
	}
	return encoded
}
