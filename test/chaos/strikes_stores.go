package main

import (
	"errors"
	"os"
	"time"
)

func crashPostgres(s *striker) (string, error) {
	if err := s.database.crash(); err != nil {
		return "", err
	}
	s.wait(s.between(0, 3*time.Second))
	return "", s.database.start(s.ctx)
}

func killNATS(s *striker) (string, error) {
	if err := s.broker.kill(); err != nil {
		return "", err
	}
	s.wait(s.between(0, 2*time.Second))
	return "", s.broker.start(s.ctx)
}

func stopNATS(s *striker) (string, error) {
	if err := s.broker.stop(); err != nil {
		return "", err
	}
	s.wait(s.between(0, 3*time.Second))
	return "", s.broker.start(s.ctx)
}

// fillPostgres fills the disk until Postgres cannot write any more, makes room and
// starts it again, as an operator would.
func fillPostgres(s *striker) (string, error) {
	if err := s.database.disk.fill(); err != nil {
		return "", err
	}
	s.wait(s.between(2*time.Second, 4*time.Second))
	return "", errors.Join(s.database.disk.free(), s.database.crash(), s.database.start(s.ctx))
}

// fillNATS does the same to NATS, which does not come back from a full disk by
// itself.
func fillNATS(s *striker) (string, error) {
	if err := s.broker.disk.fill(); err != nil {
		return "", err
	}
	s.wait(s.between(time.Second, 3*time.Second))
	return "", errors.Join(s.broker.disk.free(), s.broker.kill(), s.broker.start(s.ctx))
}

func copyPostgres(s *striker) (string, error) {
	return "", errors.Join(s.database.stop(), s.database.keepCopy(s.ctx), s.database.start(s.ctx))
}

func restorePostgres(s *striker) (string, error) {
	err := errors.Join(s.database.crash(), s.database.putBack(s.ctx), s.database.start(s.ctx))
	s.noteRestored()
	return "", err
}

func (t *trial) streamCopy() string { return t.path("stream-copy") }

func copyStream(s *striker) (string, error) {
	return "", errors.Join(
		s.broker.stop(), copyFolder(s.ctx, s.broker.disk.path("nats"), s.streamCopy()), s.broker.start(s.ctx))
}

// restoreStream puts the stream back while nothing is being published: what the
// producer knows to be stored before is in the old stream, what it publishes
// afterwards in the new one.
func restoreStream(s *striker) (string, error) {
	return "", s.producer.whileQuiet(func() (forget bool, err error) {
		s.noteRewound()
		return true, errors.Join(
			s.broker.kill(), os.RemoveAll(s.broker.disk.path("nats")),
			copyFolder(s.ctx, s.streamCopy(), s.broker.disk.path("nats")), s.broker.start(s.ctx))
	})
}
