// Package console is the web console: pages for people and a JSON API over what Postgres
// keeps, and, where actions are on, the few actions that people take: pause and resume
// accounts, replay, edit and dismiss dead letters, approve withheld deletes.
//
// It reads through the package status, and knows nothing of the delivery. Pages work
// without script: htmx only refreshes them, uPlot only draws what a table already says.
// Nothing is loaded from elsewhere, and the Content-Security-Policy allows no inline
// script or style.
//
// Who somebody is says one of the login kinds: none (on loopback only), basic, a header of
// a trusted proxy, or OIDC. A viewer reads, an operator acts as well; each action is
// written into courier.audit before it is done, and its result after it.
package console
