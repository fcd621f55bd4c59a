package main

import (
	"bytes"
	"fmt"
)

// mugs is how many products the example feed has.
const mugs = 120

// feed is a product feed in Google's form, as shops have it.
func feed() []byte {
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>Mug shop</title>
<link>https://mugs.example</link>
`)
	for i := range mugs {
		colour := pick([]string{"blue", "red", "green", "white", "black"}, i)
		fmt.Fprintf(&out, `<item>
<g:id>MUG-%03d</g:id>
<title>Mug number %d, %s</title>
<description><![CDATA[A %s mug of stoneware. It holds 0.3 litres & goes into the dishwasher.]]></description>
<link>https://mugs.example/mugs/%d</link>
<g:image_link>https://mugs.example/mugs/%d.jpg</g:image_link>
<g:availability>in_stock</g:availability>
<g:price>%d.90 USD</g:price>
`, i+1, i+1, colour, colour, i+1, i+1, 8+i%7)
		if i%10 == 0 {
			fmt.Fprintf(&out, "<g:sale_price>%d.90 USD</g:sale_price>\n", 6+i%7)
		}
		fmt.Fprintf(&out, `<g:condition>new</g:condition>
<g:brand>Mugs</g:brand>
<g:color>%s</g:color>
<g:item_group_id>MUG-%d</g:item_group_id>
</item>
`, colour, i/5+1)
	}
	out.WriteString("</channel>\n</rss>\n")
	return out.Bytes()
}
