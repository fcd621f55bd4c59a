package pinterestsim

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// addProse adds what only the descriptions of the OpenAPI file say of values. An
// item that breaks it fails by itself; the batch is taken.
func (t *pinterestType) addProse(name catalog.Type) {
	say := func(holds func(string) bool, names string) {
		for attribute := range strings.FieldsSeq(names) {
			if known, ok := t.attributes[attribute]; ok {
				known.prose = holds
				t.attributes[attribute] = known
			}
		}
	}
	say(isPrice, `price sale_price min_ad_price base_price`)
	say(isAddress, `link mobile_link ad_link image_link video_link`)
	say(oneOf("in stock", "out of stock", "preorder"), `availability`)
	say(oneOf("new", "used", "refurbished"), `condition`)
	say(oneOf("male", "female", "unisex"), `gender`)
	say(oneOf("newborn", "infant", "toddler", "kids", "adult"), `age_group`)
	say(oneOf("regular", "petite", "plus", "big_and_tall", "maternity"), `size_type`)
	say(oneOf("us", "uk", "eu", "de", "fr", "jp", "cn", "it", "br", "mex", "au"), `size_system`)
	say(oneOf("visible", "hidden"), `visibility`)
	if name == "RETAIL" {
		say(atMost(500), `title`)
		say(atMost(10_000), `description`)
		say(atMost(1000), `product_type`)
		say(atMost(127), `item_group_id`)
	}
	if name == "HOTEL" {
		say(atMost(127), `custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4`)
	}
}

var price = regexp.MustCompile(`^\d+(\.\d+)? ?([A-Z]{3})?$`)

func isPrice(value string) bool { return price.MatchString(value) }

func isAddress(value string) bool {
	return strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://")
}

func oneOf(words ...string) func(string) bool {
	return func(value string) bool {
		for _, word := range words {
			if strings.EqualFold(value, word) {
				return true
			}
		}
		return false
	}
}

func atMost(characters int) func(string) bool {
	return func(value string) bool {
		return len(value) <= characters || utf8.RuneCountInString(value) <= characters
	}
}
