// Package fake is named by a test of Helm's engine, which go mod tidy looks at.
package fake
