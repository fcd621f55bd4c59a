package queue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// checkStream compares what could lose, remove or reorder messages, or give an
// account two owners. What only costs or saves resources (replicas, placement,
// compression, size limit, duplicate window) is the operator's choice.
func checkStream(found, wanted jetstream.StreamConfig) error {
	differences := slices.Concat(
		subjectDifferences(found, wanted),
		keepingDifferences(found, wanted),
		writingDifferences(found, wanted),
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
