package natsconn

import (
	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// Address says which NATS is meant, where the address came from and, with a
// connection, which server answered. It never holds a password.
func Address(c *config.Config, conn *nats.Conn) string {
	text := c.NATS.URL.Address() + " (" + c.Origin("nats.url") + ")"
	if conn == nil || !conn.IsConnected() {
		return text
	}
	text += ", server " + conn.ConnectedServerName()
	if cluster := conn.ConnectedClusterName(); cluster != "" {
		text += " of cluster " + cluster
	}
	return text
}
