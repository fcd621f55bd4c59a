// Package examples holds the demonstration's configuration and mutations, so that
// worker dev and worker demo need no files.
package examples

import (
	_ "embed" // for the files
)

// Config is the configuration for the simulated platforms.
//
//go:embed courier.yaml
var Config []byte

// Feed is a product feed with 120 items in Google's form.
//
//go:embed shop.xml
var Feed []byte

// Mutations are more than two hundred mutations, one JSON object per line, as
// enqueue takes them. They are made by examples/generate.
//
//go:embed mutations.jsonl
var Mutations []byte

// Magic are items whose ids make the simulated platforms misbehave.
//
//go:embed magic.jsonl
var Magic []byte
