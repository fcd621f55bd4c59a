// Package httpapi is the HTTP API of enqueue serve: it takes mutations from programs that do
// not speak NATS, and answers once the stream has acknowledged them.
//
// [New] makes a [Server] on a [Publisher]; [Server.Handler] serves
//
//	POST /v1/mutations/{account}/{catalog}/{type}
//	GET  /livez
//	GET  /readyz
//
// and [Serve] runs an http.Server around it, or around a handler that has more routes, with
// the limits and the orderly stop that a server on a network needs.
//
// # Answers
//
// schema/openapi.yaml describes the API and docs/http.md explains it. A request is stored
// completely (202), not at all (400 and other refusals), in parts on request (207), or its
// answer counts what is stored, what is not and what is unknown (503). Problems are RFC
// 9457.
//
// # Ids
//
// The stream drops a message id that it has seen within its duplicate window, whatever the
// account. So that the ids of one token's accounts cannot suppress the mutations of others,
// the id of a message begins with the account where the caller chose the mutation's id, and
// holds a digest of path and body where it comes from Idempotency-Key.
package httpapi
