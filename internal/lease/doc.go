// Package lease shares the partitions out between the workers: each keeps what it
// owns alive by heartbeats, takes what nobody alive owns, and hands surplus ones
// over. No two clocks are ever compared.
package lease
