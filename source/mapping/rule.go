package mapping

import (
	"regexp"
	"time"
)

// settings are those of a source that the values depend on.
type settings struct {
	currency string // of amounts without one, or ""
	decimal  byte   // '.', ',' or 0 where it is not known
	zone     *time.Location
}

// rule makes the value of one attribute. Its steps run in the order of the fields.
type rule struct {
	attribute string
	when      *filter

	// One of these gives the value.
	from       []path // the first that has a value
	template   *template
	constant   any
	jq         *program
	object     []rule // members; with each, of every element of from
	alternates []rule // the first that gives a value
	each       bool

	html    bool
	replace []replacement
	letters string // lower, upper, title
	values  words
	other   string // what happens to words without a translation: error, keep, drop
	as      string
	split   string
	most    int
	cut     int
	below   string // the attribute whose price must be higher
	without *path  // to the attribute whose value is not repeated in the list
	need    bool
}

type replacement struct {
	pattern *regexp.Regexp
	with    string
}

// Values of the key as.
const (
	asText         = "text"
	asList         = "list"
	asNumber       = "number"
	asInteger      = "integer"
	asBoolean      = "boolean"
	asPrice        = "price"
	asMinorPrice   = "minor_price"
	asGTIN         = "gtin"
	asWindow       = "window"
	asShippingText = "shipping_text"
	asShippingList = "shipping_list"
	asJSON         = "json"
)

var conversions = []string{asText, asList, asNumber, asInteger, asBoolean, asPrice, asMinorPrice, asGTIN, asWindow, asShippingText, asShippingList, asJSON}
