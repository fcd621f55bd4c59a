// Package workload makes up changes of catalogs as shops make them, for tests and
// trials that hold the platforms' state against the changes applied one at a time.
package workload
