// Package source makes what the configuration calls a source ready to run: it compiles the
// mappings of its routes, and joins the fetching and reading of its feed to the runs that
// compare and publish.
//
// The packages below each have one idea: fetch brings a file, feed reads records, mapping
// makes items of them, difference compares, run plans and applies, webhook and receive take
// single changes, httpapi takes mutations.
package source
