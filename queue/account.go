package queue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

// CheckAccount says whether the account's limits let a worker work: a consumer for each
// partition, and the stream and the bucket of its mirror where they are missing. It
// changes nothing. The error is precondition.Failures, which pass when somebody raises
// the limits, or that of a failed call.
func CheckAccount(ctx context.Context, js jetstream.JetStream, config StreamConfig, streamMissing, bucketMissing bool) error {
	config = config.withDefaults()
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := js.AccountInfo(limited)
	if err != nil {
		return fmt.Errorf("asking for the account's limits: %w", err)
	}
	tier := info.Tier
	if of, tiered := info.Tiers["R"+strconv.Itoa(config.Replicas)]; tiered {
		tier = of
	}
	return accountFailures(&tier, config, streamMissing, bucketMissing).Err()
}

func accountFailures(tier *jetstream.Tier, config StreamConfig, streamMissing, bucketMissing bool) (failures precondition.Failures) {
	refuse := func(key, what, found, wanted, cure string) {
		failures = append(failures, precondition.Failure{Key: key, What: what, Found: found, Wanted: wanted, Cure: cure, Passing: true})
	}
	limits := tier.Limits
	if limits.MaxConsumers > 0 && limits.MaxConsumers < config.Partitions {
		refuse("max_consumers", "the account's limit of consumers (max_consumers)", strconv.Itoa(limits.MaxConsumers),
			strconv.Itoa(config.Partitions)+" or more", "each of nats.partitions has a consumer; raise the limit")
	}
	missing := 0
	for _, one := range []bool{streamMissing, bucketMissing} {
		if one {
			missing++
		}
	}
	if limits.MaxStreams > 0 && limits.MaxStreams-tier.Streams < missing {
		refuse("max_streams", "the account's limit of streams (max_streams)", fmt.Sprintf("%d, of which %d exist", limits.MaxStreams, tier.Streams),
			fmt.Sprintf("room for %d more", missing), "stream "+config.Name+" and the bucket "+config.Name+"_COMMITS are needed; raise the limit")
	}
	if limits.MaxBytesRequired && bucketMissing {
		refuse("max_bytes_required", "the account's max_bytes_required", "true", "false",
			"the bucket "+config.Name+"_COMMITS is made without a limit; make it yourself with one of "+
				strconv.Itoa(smallestNotes*config.Partitions)+" bytes or more, or lift the rule")
	}
	return failures
}
