// Package work is what every program that is measured has to do: which mutations there are, how
// they are published, and how many of them a request of an account takes.
package work

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Lanes are where the mutations go, one for each account.
func Lanes(meta, pinterest int) []catalog.Lane {
	all := make([]catalog.Lane, 0, meta+pinterest)
	for i := range meta {
		all = append(all, catalog.Lane{Account: "meta-" + strconv.Itoa(i), Catalog: "main", Type: "PRODUCT_ITEM"})
	}
	for i := range pinterest {
		all = append(all, catalog.Lane{Account: "pinterest-" + strconv.Itoa(i), Catalog: "main", Type: "RETAIL"})
	}
	return all
}

// Limit is how many mutations a request of an account takes: what the platforms allow.
func Limit(account string) int {
	if strings.HasPrefix(account, "pinterest") {
		return 1000
	}
	return 5000
}

// Size is how many bytes a message has.
const Size = 600

// Operation is that of every mutation.
const Operation = "UPSERT"

// ID is a mutation's id, which looks like a UUID version 7 and grows as they do.
func ID(number int) string { return string(appendID(nil, number)) }

// ItemID is the item that a mutation changes: each one another.
func ItemID(number int) string { return "SKU-" + strconv.Itoa(number) }

// AppendMessage appends a mutation that both platforms take, in the form of the contract.
func AppendMessage(b []byte, number int) []byte { return AppendChange(b, number, number) }

// AppendChange appends the mutation of a number that changes an item.
func AppendChange(b []byte, number, item int) []byte {
	begin := len(b)
	b = appendID(append(b, `{"id":"`...), number)
	b = appendNumber(b, `","item_id":"SKU-`, item)
	b = append(b, `","operation":"`+Operation+`","attributes":`...)
	return append(appendAttributes(b, number, Size-len("}")-(len(b)-begin)), '}')
}

// AppendAttributes appends the attributes of a mutation alone, as an object.
func AppendAttributes(b []byte, number int) []byte { return appendAttributes(b, number, 480) }

// appendAttributes appends so many bytes, at least what the fields take.
func appendAttributes(b []byte, number, size int) []byte {
	const filler, end = "Sturdy, light and made to last; comes in many colours and is shipped the same day. ", `"}`
	begin := len(b)
	b = appendNumber(b, `{"title":"Product number `, number)
	b = appendNumber(b, `","link":"https://shop.example.com/products/`, number)
	b = appendNumber(b, `","image_link":"https://img.example.com/products/`, number)
	b = append(b, `.jpg","price":"24.99 USD","availability":"in stock","condition":"new","brand":"Example","description":"`...)
	for left := size - len(end) - (len(b) - begin); left > 0; left -= len(filler) {
		b = append(b, filler[:min(len(filler), left)]...)
	}
	return append(b, end...)
}

func appendID(b []byte, number int) []byte {
	const prefix, digits = "019abcde-0000-7000-8000-", "0123456789abcdef"
	b = append(b, prefix...)
	for shift := 44; shift >= 0; shift -= 4 {
		b = append(b, digits[number>>shift&0xf])
	}
	return b
}

func appendNumber(b []byte, before string, number int) []byte {
	return strconv.AppendInt(append(b, before...), int64(number), 10)
}
