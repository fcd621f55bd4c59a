package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// route is an item of type FLIGHT: a pair of airports.
type route struct{ origin, destination string }

func (r route) itemID() string { return catalog.JoinItemID(r.origin, r.destination) }

func (r route) compare(other route) int {
	return cmp.Or(strings.Compare(r.origin, other.origin), strings.Compare(r.destination, other.destination))
}

// snapshot is which airlines fly each route at one date, names sorted.
type snapshot map[route][]string

// world is what the tables of OpenFlights say besides routes.
type world struct {
	airlines map[string]string // name by id
	cities   map[string]string // by IATA code
}

// iata is the code that FLIGHT wants; a few routes name airports without one.
var iata = regexp.MustCompile(`^[A-Z]{3}$`)

// flightMutations turns the dated snapshots of OpenFlights into the changes
// between them: the first creates, each later one creates, updates and deletes.
func flightMutations(folder string) ([]publish.Mutation, error) {
	known, err := readWorld(folder)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(folder, "routes-*.dat.gz"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no routes-*.dat.gz in %s", folder))
	}
	slices.Sort(files) // the names end in their dates
	var mutations []publish.Mutation
	before := snapshot{}
	for _, file := range files {
		now, err := readSnapshot(file, known)
		if err != nil {
			return nil, err
		}
		mutations = append(mutations, difference(before, now, known)...)
		before = now
	}
	return mutations, nil
}

func readWorld(folder string) (world, error) {
	known := world{airlines: map[string]string{}, cities: map[string]string{}}
	err := readRows(filepath.Join(folder, "airlines.dat.gz"), func(row []string) error {
		known.airlines[row[0]] = row[1]
		return nil
	})
	if err != nil {
		return world{}, err
	}
	return known, readRows(filepath.Join(folder, "airports.dat.gz"), func(row []string) error {
		known.cities[row[4]] = row[2]
		return nil
	})
}

// readSnapshot groups a table of routes by origin and destination. Its columns are
// airline, airline id, origin, origin id, destination, destination id, codeshare,
// stops, equipment.
func readSnapshot(file string, known world) (snapshot, error) {
	airlines := map[route]map[string]struct{}{}
	err := readRows(file, func(row []string) error {
		r := route{row[2], row[4]}
		if !iata.MatchString(r.origin) || !iata.MatchString(r.destination) {
			return nil
		}
		if airlines[r] == nil {
			airlines[r] = map[string]struct{}{}
		}
		airlines[r][cmp.Or(known.airlines[row[1]], row[0])] = struct{}{}
		return nil
	})
	grouped := make(snapshot, len(airlines))
	for r, names := range airlines {
		grouped[r] = slices.Sorted(maps.Keys(names))
	}
	return grouped, err
}

// difference is what changes from one snapshot to the next, sorted by route.
func difference(before, now snapshot, known world) []publish.Mutation {
	both := make(map[route]struct{}, len(now))
	for r := range before {
		both[r] = struct{}{}
	}
	for r := range now {
		both[r] = struct{}{}
	}
	mutations := make([]publish.Mutation, 0, len(both))
	for _, r := range slices.SortedFunc(maps.Keys(both), route.compare) {
		older, existed := before[r]
		newer, exists := now[r]
		m := publish.Mutation{Account: metaAccount, Catalog: flightCatalog, Type: "FLIGHT", ItemID: r.itemID()}
		switch {
		case !exists:
			m.Operation = catalog.Delete
		case !existed:
			m.Operation, m.Attributes = catalog.Create, wholeFlight(r, newer, known)
		case !slices.Equal(older, newer):
			m.Operation, m.Attributes = catalog.Update, changedFlight(r, newer)
		default:
			continue
		}
		mutations = append(mutations, m)
	}
	return mutations
}

type image struct {
	URL string   `json:"url"`
	Tag []string `json:"tag,omitempty"`
}

type flight struct {
	Description     string  `json:"description"`
	Price           string  `json:"price"`
	OriginCity      string  `json:"origin_city,omitempty"`
	DestinationCity string  `json:"destination_city,omitempty"`
	Image           []image `json:"image,omitempty"`
	URL             string  `json:"url,omitempty"`
}

// wholeFlight adds what the tables lack: an image, an address and a price that
// follow from the route alone.
func wholeFlight(r route, airlines []string, known world) flight {
	whole := changedFlight(r, airlines)
	whole.OriginCity, whole.DestinationCity = known.cities[r.origin], known.cities[r.destination]
	whole.Image = []image{{URL: "https://img.example.com/airports/" + r.destination + ".jpg", Tag: []string{r.destination}}}
	whole.URL = "https://flights.example.com/" + r.origin + "-" + r.destination
	return whole
}

// changedFlight is what changes with the airlines of a route: more of them make it
// cheaper.
func changedFlight(r route, airlines []string) flight {
	return flight{
		Description: r.origin + " to " + r.destination + " with " + strings.Join(airlines, ", "),
		Price:       price(r.itemID(), 60, 900, len(airlines)),
	}
}

// readRows calls each for every row of a compressed table without a header.
func readRows(file string, each func(row []string) error) error {
	return readCompressed(file, func(content io.Reader) error {
		reader := csv.NewReader(content)
		reader.LazyQuotes = true // airlines.dat escapes quotes with a backslash
		reader.ReuseRecord = true
		for {
			row, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := each(row); err != nil {
				return err
			}
		}
	})
}
