// Package catalog is the domain: what a mutation is, which item it changes, and
// how two mutations of one item become one. It does no input or output and
// imports nothing else of this project.
package catalog
