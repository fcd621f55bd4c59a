package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// readCompressed hands the content of a gzip file to read.
func readCompressed(file string, read func(content io.Reader) error) (err error) {
	compressed, err := os.Open(file) //nolint:gosec // the caller names the data
	if err != nil {
		return err
	}
	defer func() { _ = compressed.Close() }()
	content, err := gzip.NewReader(compressed)
	if err == nil {
		err = errors.Join(read(content), content.Close())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// price makes up a price between low and high dollars that follows from the name,
// divided among a number of offers.
func price(name string, low, high uint64, offers int) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // never fails
	cents := (low*100 + hash.Sum64()%((high-low)*100)) / uint64(max(offers, 1))
	return fmt.Sprintf("%d.%02d USD", cents/100, cents%100)
}
