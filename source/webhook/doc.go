// Package webhook reads what shops send when an item changes: it checks who sent it and
// turns it into records, as a feed reader does, and into what was deleted.
//
// Three kinds are known: Shopify, WooCommerce, and Standard Webhooks, which many systems
// speak and others can be made to. Signatures are over the bytes of the body, so they are
// checked before anything is read.
package webhook
