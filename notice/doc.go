// Package notice tells people once of each change of state: an account that fails, is
// paused or throttled, a source that is silent, a new kind of dead letter. It looks at the
// views of the database, keeps what was last told, and sends what is new to webhooks.
//
// One worker of an installation does it at a time. What a look finds is stored together with
// what was told, before anything is sent, so that neither a restart nor a receiver that is
// down loses or repeats a notice. Only a worker that ends between sending a notice and
// noting that it was sent repeats that one, with the same message id.
package notice
