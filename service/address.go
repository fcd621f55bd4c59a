package service

import (
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// DatabaseAddress says which database is meant and where its address came from. It
// never holds a password.
func DatabaseAddress(c *config.Config) string {
	return databaseName(c.Database.URL) + " (" + c.Origin("database.url") + ")"
}

// databaseName is host, port and name: the address may leave some of them to the
// environment, or name them as parameters.
func databaseName(address config.Secret) string {
	parsed, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		return address.Address() // the error would repeat the password
	}
	if strings.HasPrefix(parsed.Host, "/") { // the folder of a socket
		return "postgres:///" + parsed.Database + "?host=" + parsed.Host + "&port=" + strconv.Itoa(int(parsed.Port))
	}
	return "postgres://" + net.JoinHostPort(parsed.Host, strconv.Itoa(int(parsed.Port))) + "/" + parsed.Database
}
