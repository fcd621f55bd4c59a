package main

import (
	"errors"
	"os"
	"time"
)

func crashPostgres(c *faultContext) (string, error) {
	if err := c.database.crash(); err != nil {
		return "", err
	}
	c.wait(c.between(0, 3*time.Second))
	return "", c.database.start(c.ctx)
}

func killNATS(c *faultContext) (string, error) {
	if err := c.broker.kill(); err != nil {
		return "", err
	}
	c.wait(c.between(0, 2*time.Second))
	return "", c.broker.start(c.ctx)
}

func stopNATS(c *faultContext) (string, error) {
	if err := c.broker.stop(); err != nil {
		return "", err
	}
	c.wait(c.between(0, 3*time.Second))
	return "", c.broker.start(c.ctx)
}

// fillPostgres fills the disk until Postgres cannot write any more, makes room and
// starts it again, as an operator would.
func fillPostgres(c *faultContext) (string, error) {
	if err := c.database.disk.fill(); err != nil {
		return "", err
	}
	c.wait(c.between(2*time.Second, 4*time.Second))
	return "", errors.Join(c.database.disk.free(), c.database.crash(), c.database.start(c.ctx))
}

// fillNATS does the same to NATS, which does not come back from a full disk by
// itself.
func fillNATS(c *faultContext) (string, error) {
	if err := c.broker.disk.fill(); err != nil {
		return "", err
	}
	c.wait(c.between(time.Second, 3*time.Second))
	return "", errors.Join(c.broker.disk.free(), c.broker.kill(), c.broker.start(c.ctx))
}

func copyPostgres(c *faultContext) (string, error) {
	return "", errors.Join(c.database.stop(), c.database.keepCopy(c.ctx), c.database.start(c.ctx))
}

func restorePostgres(c *faultContext) (string, error) {
	err := errors.Join(c.database.crash(), c.database.putBack(c.ctx), c.database.start(c.ctx))
	c.noteRestored()
	return "", err
}

func (r *run) streamCopy() string { return r.path("stream-copy") }

func copyStream(c *faultContext) (string, error) {
	return "", errors.Join(
		c.broker.stop(), copyFolder(c.ctx, c.broker.disk.path("nats"), c.streamCopy()), c.broker.start(c.ctx))
}

// restoreStream puts the stream back while nothing is being published: what the
// producer knows to be stored before is in the old stream, what it publishes
// afterwards in the new one.
func restoreStream(c *faultContext) (string, error) {
	return "", c.producer.whileQuiet(func() (forget bool, err error) {
		c.noteRewound()
		return true, errors.Join(
			c.broker.kill(), os.RemoveAll(c.broker.disk.path("nats")),
			copyFolder(c.ctx, c.streamCopy(), c.broker.disk.path("nats")), c.broker.start(c.ctx))
	})
}
