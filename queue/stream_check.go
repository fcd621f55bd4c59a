package queue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// checkStream compares what could lose, remove or reorder messages, give an account two
// owners, or refuse the consumers of so many partitions. streamWarnings has the rest.
func checkStream(found, wanted jetstream.StreamConfig, partitions int) error {
	differences := slices.Concat(
		subjectDifferences(found, wanted),
		keepingDifferences(found, wanted),
		writingDifferences(found, wanted),
		consumerDifferences(found, partitions),
	)
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%w: stream %s: %s", ErrStreamMismatch, wanted.Name, strings.Join(differences, "; "))
}

// subjectDifferences concern which messages arrive and in which partition.
func subjectDifferences(found, wanted jetstream.StreamConfig) []string {
	var d differences
	d.add("subjects", strings.Join(found.Subjects, ","), strings.Join(wanted.Subjects, ","))
	d.add("subject_transform", transformText(found.SubjectTransform), transformText(wanted.SubjectTransform))
	d.add("mirror", found.Mirror != nil, wanted.Mirror != nil)
	d.add("sources", len(found.Sources), len(wanted.Sources))
	return d
}

// keepingDifferences concern whether a message stays until it is trimmed.
func keepingDifferences(found, wanted jetstream.StreamConfig) []string {
	var d differences
	d.add("storage", found.Storage, wanted.Storage)
	d.add("retention", found.Retention, wanted.Retention)
	d.add("discard", found.Discard, wanted.Discard)
	d.add("discard_new_per_subject", found.DiscardNewPerSubject, wanted.DiscardNewPerSubject)
	d.add("max_age", found.MaxAge, wanted.MaxAge)
	d.add("max_msgs", unlimited(found.MaxMsgs), unlimited(wanted.MaxMsgs))
	d.add("max_msgs_per_subject", unlimited(found.MaxMsgsPerSubject), unlimited(wanted.MaxMsgsPerSubject))
	d.add("allow_msg_ttl", found.AllowMsgTTL, wanted.AllowMsgTTL)
	d.add("subject_delete_marker_ttl", found.SubjectDeleteMarkerTTL, wanted.SubjectDeleteMarkerTTL)
	d.add("allow_rollup_hdrs", found.AllowRollup, wanted.AllowRollup)
	d.add("deny_purge", found.DenyPurge, wanted.DenyPurge)
	return d
}

// writingDifferences concern what an acknowledgement to a producer means, and
// what a read of a message means.
func writingDifferences(found, wanted jetstream.StreamConfig) []string {
	var d differences
	d.add("allow_atomic", found.AllowAtomicPublish, wanted.AllowAtomicPublish)
	d.add("allow_direct", found.AllowDirect, wanted.AllowDirect)
	d.add("allow_msg_counter", found.AllowMsgCounter, wanted.AllowMsgCounter)
	d.add("allow_msg_schedules", found.AllowMsgSchedules, wanted.AllowMsgSchedules)
	d.add("no_ack", found.NoAck, wanted.NoAck)
	d.add("sealed", found.Sealed, wanted.Sealed)
	d.add("persist_mode", found.PersistMode, wanted.PersistMode)
	d.add("max_msg_size", unlimited(int64(found.MaxMsgSize)), unlimited(int64(wanted.MaxMsgSize)))
	return d
}

// consumerDifferences concern whether each partition can have a consumer.
func consumerDifferences(found jetstream.StreamConfig, partitions int) []string {
	var d differences
	if found.MaxConsumers > 0 && found.MaxConsumers < partitions {
		d = append(d, fmt.Sprintf("max_consumers is %d, wanted %d or more", found.MaxConsumers, partitions))
	}
	if limit := found.ConsumerLimits.InactiveThreshold; limit > 0 && limit < inactiveThreshold {
		d = append(d, fmt.Sprintf("consumer_limits.inactive_threshold is %v, wanted %v or more", limit, inactiveThreshold))
	}
	return d
}

// streamWarnings names what differs and keeps no worker from working. Replicas and the
// limit of bytes are applied; placement is the operator's, who is asked for none.
func streamWarnings(found, wanted jetstream.StreamConfig) string {
	var d differences
	d.add("duplicate_window", found.Duplicates, wanted.Duplicates)
	d.add("compression", found.Compression, wanted.Compression)
	d.add("deny_delete", found.DenyDelete, wanted.DenyDelete)
	d.add("max_consumers", unlimited(int64(found.MaxConsumers)), unlimited(int64(wanted.MaxConsumers)))
	d.add("consumer_limits.inactive_threshold", found.ConsumerLimits.InactiveThreshold, wanted.ConsumerLimits.InactiveThreshold)
	d.add("republish", found.RePublish != nil, wanted.RePublish != nil)
	if len(d) == 0 {
		return ""
	}
	return "the stream's settings differ and are kept: " + strings.Join(d, "; ")
}

// smallestNotes is the room that a note of the mirror must have, in bytes.
const smallestNotes = 1024

// checkBucket compares what could lose or refuse the mirror's notes. Copies are added.
func checkBucket(found jetstream.StreamConfig, bucket string, partitions int) error {
	var d differences
	d.add("subjects", strings.Join(found.Subjects, ","), kvPrefix+bucket+".>")
	d.add("mirror", found.Mirror != nil, false)
	d.add("sources", len(found.Sources), 0)
	d.add("storage", found.Storage, jetstream.FileStorage)
	d.add("retention", found.Retention, jetstream.LimitsPolicy)
	d.add("discard", found.Discard, jetstream.DiscardNew)
	d.add("max_age", found.MaxAge, time.Duration(0))
	d.add("max_msgs", unlimited(found.MaxMsgs), int64(-1))
	d.add("no_ack", found.NoAck, false)
	d.add("sealed", found.Sealed, false)
	for setting, limit := range map[string]struct{ found, least int64 }{
		"max_msg_size": {int64(found.MaxMsgSize), smallestNotes},
		"max_bytes":    {found.MaxBytes, smallestNotes * int64(partitions)},
	} {
		if limit.found > 0 && limit.found < limit.least {
			d = append(d, fmt.Sprintf("%s is %d, wanted %d or more", setting, limit.found, limit.least))
		}
	}
	if len(d) == 0 {
		return nil
	}
	slices.Sort(d)
	return fmt.Errorf("%w: bucket %s: %s", ErrStreamMismatch, bucket, strings.Join(d, "; "))
}

type differences []string

func (d *differences) add(setting string, found, wanted any) {
	if found != wanted {
		*d = append(*d, fmt.Sprintf("%s is %v, wanted %v", setting, found, wanted))
	}
}

// unlimited makes the two ways of saying "no limit" one.
func unlimited(limit int64) int64 {
	if limit <= 0 {
		return -1
	}
	return limit
}

func transformText(transform *jetstream.SubjectTransformConfig) string {
	if transform == nil {
		return "none"
	}
	return transform.Source + " to " + transform.Destination
}
