// Package service assembles the parts into a running worker: connections, leases,
// one delivery engine per owned partition, and the maintenance of stream and database.
package service
