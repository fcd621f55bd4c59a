// Package itemindex keeps the index of items, one row an item with its newest state, behind
// the outbox. Recording a mutation pays nothing for it: the owner of a partition reads what
// became final there, a page at a time, and writes the rows in one transaction with its
// cursor. After any crash it goes on where that cursor is.
//
// What became final before there was an outbox is filled in from the tables by day, piece
// by piece, by the worker that does the maintenance.
package itemindex
