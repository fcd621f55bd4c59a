// Package catalog is the domain: what a mutation is, which item it changes, and
// how two mutations of one item become one. It does no input or output and
// imports nothing else of this project.
//
// Its API and that of package publish are promised: from the first tagged version on,
// they change as semantic versions allow. A producer needs [Type], [Operation],
// [Localization], [JoinItemID] and [Problem] of it. All other packages of this module
// belong to the programs and may change with any version.
package catalog
