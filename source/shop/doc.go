// Package shop reads single products from a shop's own interface, for webhooks that leave
// out what a product consists of: Shopify's Admin API and WooCommerce's REST API.
//
// A product is read with all its variants or not at all. Each request has a time limit, each
// answer a limit in bytes, and each list of pages an end.
package shop
