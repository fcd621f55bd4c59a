package queue

import (
	"hash/fnv"
	"strconv"

	"github.com/catalog-courier/catalog-courier/message"
)

// PartitionOf is the partition of an account's messages, from 0: the server's
// partition() function, which is FNV-1a of the token modulo the count.
func PartitionOf(account string, partitions int) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(account))            // never fails
	return int(hash.Sum32() % uint32(partitions)) //nolint:gosec // the server takes the count as 32 bits too
}

// partitionFilter matches everything stored in one partition.
func partitionFilter(partition int) string {
	return message.StoredPrefix + strconv.Itoa(partition) + ".>"
}

// storedTransform is how the server makes the stored subject out of the
// producer's.
func storedTransform(partitions int) string {
	return message.StoredPrefix + "{{partition(" + strconv.Itoa(partitions) + ",1)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}"
}
